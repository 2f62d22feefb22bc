// The vault of the one secret that there is, the webhook's keys. Its value is put there by hand, never by a deployment: so it is in no
// parameter, no environment of azd, no log of a pipeline, and rotating it needs none of them.

@description('Where it lives.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the vault.')
param name string

@description('Whether only private endpoints, and `addresses`, reach it.')
param private bool

@description('Public addresses that reach it even so.')
param addresses array

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    // Who deletes the key stops all webhooks; for this long it can be brought back, and nobody can cut that short.
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    enablePurgeProtection: true
    publicNetworkAccess: (private && empty(addresses)) ? 'Disabled' : 'Enabled'
    networkAcls: {
      // Without a network of its own the app has no address that could be told here: then tokens alone decide.
      defaultAction: private ? 'Deny' : 'Allow'
      bypass: 'None'
      ipRules: [for address in (private ? addresses : []): {
        value: address
      }]
    }
  }
}

@description('Resource id.')
output id string = vault.id

@description('Name of the vault.')
output name string = vault.name
