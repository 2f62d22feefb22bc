// One storage account that is reached with tokens only. Queues, tables and containers are made here, not by the app: the host does
// not poll a queue that is not there, and a role can be given on a single one only if it is.

@description('Where it lives.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the account.')
param name string

@description('Its redundancy.')
param sku string

@description('Names of its queues.')
param queues array = []

@description('Names of its tables.')
param tables array = []

@description('Names of its blob containers.')
param containers array = []

@description('Whether what is overwritten in a blob stays as a version.')
param versioning bool = false

@description('How many days a deleted blob or container can be brought back; 0: not at all.')
param keepDeletedDays int = 0

@description('Whether only private endpoints, and `addresses`, reach it.')
param private bool

@description('Public addresses that reach it even so.')
param addresses array = []

var kept = (keepDeletedDays > 0) ? { enabled: true, days: keepDeletedDays } : { enabled: false }

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: sku
  }
  properties: {
    // No keys, so no connection strings and no signatures made with them: nothing that can be copied opens it.
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    isLocalUserEnabled: false
    isSftpEnabled: false
    supportsHttpsTrafficOnly: true
    minimumTlsVersion: 'TLS1_2'
    publicNetworkAccess: (private && empty(addresses)) ? 'Disabled' : 'Enabled'
    networkAcls: {
      // Without a network of its own the app has no address that could be told here: then tokens alone decide.
      defaultAction: private ? 'Deny' : 'Allow'
      bypass: 'None'
      ipRules: [for address in (private ? addresses : []): {
        value: address
        action: 'Allow'
      }]
    }
  }
}

resource blobService 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' = {
  parent: account
  name: 'default'
  properties: {
    isVersioningEnabled: versioning
    deleteRetentionPolicy: kept
    containerDeleteRetentionPolicy: kept
  }
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = [for containerName in containers: {
  parent: blobService
  name: containerName
  properties: {
    publicAccess: 'None'
  }
}]

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2024-01-01' = {
  parent: account
  name: 'default'
}

resource queue 'Microsoft.Storage/storageAccounts/queueServices/queues@2024-01-01' = [for queueName in queues: {
  parent: queueService
  name: queueName
}]

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2024-01-01' = {
  parent: account
  name: 'default'
}

resource table 'Microsoft.Storage/storageAccounts/tableServices/tables@2024-01-01' = [for tableName in tables: {
  parent: tableService
  name: tableName
}]

@description('Resource id.')
output id string = account.id

@description('Name of the account.')
output name string = account.name

@description('Where its blobs are.')
output blobUri string = account.properties.primaryEndpoints.blob

@description('Where its queues are.')
output queueUri string = account.properties.primaryEndpoints.queue

@description('Where its tables are.')
output tableUri string = account.properties.primaryEndpoints.table
