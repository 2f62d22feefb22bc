// A network for the app, and private endpoints for what it keeps things in: then neither storage nor vault is on the internet.

@description('Where it lives.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the network; the endpoints are named after it.')
param name string

@description('Its range of addresses, a /24 or larger.')
param addressPrefix string

@description('Resource id of the storage account of the host.')
param hostStorageId string

@description('Resource id of the storage account of journal and receipts.')
param journalStorageId string

@description('Resource id of the vault.')
param vaultId string

var storageSuffix = environment().suffixes.storage

var zoneNames = [
  'privatelink.blob.${storageSuffix}'
  'privatelink.queue.${storageSuffix}'
  'privatelink.table.${storageSuffix}'
  'privatelink.vaultcore.azure.net'
]

// `zone` is the place in `zoneNames`.
var endpoints = [
  { name: 'host-blob', target: hostStorageId, group: 'blob', zone: 0 }
  { name: 'host-queue', target: hostStorageId, group: 'queue', zone: 1 }
  { name: 'host-table', target: hostStorageId, group: 'table', zone: 2 }
  { name: 'journal-blob', target: journalStorageId, group: 'blob', zone: 0 }
  { name: 'journal-table', target: journalStorageId, group: 'table', zone: 2 }
  { name: 'vault', target: vaultId, group: 'vault', zone: 3 }
]

resource network 'Microsoft.Network/virtualNetworks@2024-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [
        addressPrefix
      ]
    }
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 26, 0)
          delegations: [
            {
              name: 'flex-consumption'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 26, 1)
        }
      }
    ]
  }
}

resource appSubnet 'Microsoft.Network/virtualNetworks/subnets@2024-05-01' existing = {
  parent: network
  name: 'app'
}

resource endpointSubnet 'Microsoft.Network/virtualNetworks/subnets@2024-05-01' existing = {
  parent: network
  name: 'endpoints'
}

resource zone 'Microsoft.Network/privateDnsZones@2020-06-01' = [for zoneName in zoneNames: {
  name: zoneName
  location: 'global'
  tags: tags
}]

resource link 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2020-06-01' = [for (zoneName, i) in zoneNames: {
  parent: zone[i]
  name: name
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: {
      id: network.id
    }
  }
}]

resource endpoint 'Microsoft.Network/privateEndpoints@2024-05-01' = [for wanted in endpoints: {
  name: '${name}-${wanted.name}'
  location: location
  tags: tags
  properties: {
    subnet: {
      id: endpointSubnet.id
    }
    privateLinkServiceConnections: [
      {
        name: wanted.name
        properties: {
          privateLinkServiceId: wanted.target
          groupIds: [
            wanted.group
          ]
        }
      }
    ]
  }
}]

resource zoneGroup 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-05-01' = [for (wanted, i) in endpoints: {
  parent: endpoint[i]
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: wanted.group
        properties: {
          privateDnsZoneId: zone[wanted.zone].id
        }
      }
    ]
  }
}]

@description('Resource id of the subnet that the app is put into.')
output appSubnetId string = appSubnet.id
