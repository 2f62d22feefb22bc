// The app: Flex Consumption, one identity, no secret of its own, and no way in but the addresses that are named.

@description('Where it lives.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the app.')
param name string

@description('Name of its plan.')
param planName string

@description('Resource id of its identity.')
param identityId string

@description('Client id of its identity.')
param identityClientId string

@description('The storage account of the host.')
param hostStorageName string

@description('The container that the package lies in.')
param packageContainer string

@description('The storage account of journal and receipts.')
param journalStorageName string

@description('The vault.')
param vaultName string

@description('The secret in it that holds the webhook keys.')
param webhookKeysName string

@description('Application Insights.')
param applicationInsightsName string

@description('Resource id of the subnet that it calls from; blank: none.')
param subnetId string

@description('Addresses that may call it.')
param webhookAddresses array

@description('Addresses that may deploy to it.')
param deploymentAddresses array

@description('How many instances there may be, of each group of functions.')
param maximumInstanceCount int

@description('How many instances are kept warm, for the webhook and for the worker.')
param alwaysReadyInstances int

@description('The settings of README.md that are chosen at deployment, by name; a blank one is left out.')
param settings object

resource hostStorage 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: hostStorageName
}

resource journalStorage 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: journalStorageName
}

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' existing = {
  name: vaultName
}

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': 'app' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: 'Enabled'
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    keyVaultReferenceIdentity: identityId
    clientAffinityEnabled: false
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ftpsState: 'Disabled'
      remoteDebuggingEnabled: false
      ipSecurityRestrictionsDefaultAction: 'Deny'
      ipSecurityRestrictions: [for (address, i) in webhookAddresses: {
        name: 'caller-${i}'
        priority: 100 + i
        action: 'Allow'
        ipAddress: contains(address, '/') ? address : '${address}/${contains(address, ':') ? 128 : 32}'
      }]
      scmIpSecurityRestrictionsUseMain: false
      scmIpSecurityRestrictionsDefaultAction: 'Deny'
      scmIpSecurityRestrictions: [for (address, i) in deploymentAddresses: {
        name: 'deployer-${i}'
        priority: 100 + i
        action: 'Allow'
        ipAddress: contains(address, '/') ? address : '${address}/${contains(address, ':') ? 128 : 32}'
      }]
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${hostStorage.properties.primaryEndpoints.blob}${packageContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'python'
        version: '3.13'
      }
      scaleAndConcurrency: {
        instanceMemoryMB: 2048
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: [for group in ((alwaysReadyInstances == 0) ? [] : ['http', 'function:work']): {
          name: group
          instanceCount: alwaysReadyInstances
        }]
        triggers: {
          http: {
            // The webhook waits for storage, not for the processor; a burst is then taken in by the instances that there are.
            perInstanceConcurrency: 16
          }
        }
      }
    }
  }
}

// Publishing with a password is a way in beside Entra.
resource ftp 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource scm 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'scm'
  properties: {
    allow: false
  }
}

// What follows from the infrastructure. The names are README.md's; the host reads its own connection too.
var connections = {
  AZURE_CLIENT_ID: identityClientId
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identityClientId
  AzureWebJobsStorage__blobServiceUri: hostStorage.properties.primaryEndpoints.blob
  AzureWebJobsStorage__queueServiceUri: hostStorage.properties.primaryEndpoints.queue
  AzureWebJobsStorage__tableServiceUri: hostStorage.properties.primaryEndpoints.table
  JOURNAL_CONNECTION: 'JOURNAL'
  JOURNAL__credential: 'managedidentity'
  JOURNAL__clientId: identityClientId
  JOURNAL__blobServiceUri: journalStorage.properties.primaryEndpoints.blob
  JOURNAL__tableServiceUri: journalStorage.properties.primaryEndpoints.table
  // Without a version: a new one is taken up by itself within a day, at once by a restart. While there is none, the app is given these
  // words instead of a key, says that they are none, and takes nothing in.
  WEBHOOK_KEYS: '@Microsoft.KeyVault(SecretUri=${vault.properties.vaultUri}secrets/${webhookKeysName})'
  APPLICATIONINSIGHTS_CONNECTION_STRING: applicationInsights.properties.ConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
  // Every line of the log is kept; by itself the host's exporter leaves some out (docs/observability.md).
  OTEL_TRACES_SAMPLER: 'microsoft.fixed_percentage'
  OTEL_TRACES_SAMPLER_ARG: '1.0'
}

// A blank setting is an absent one for the app; what is not there cannot be mistaken for anything.
var chosen = toObject(filter(items(settings), setting => !empty(setting.value)), setting => setting.key, setting => setting.value)

resource appSettings 'Microsoft.Web/sites/config@2024-04-01' = {
  parent: app
  name: 'appsettings'
  properties: union(chosen, connections)
}

@description('Name of the app.')
output name string = app.name

@description('Its address.')
output url string = 'https://${app.properties.defaultHostName}'
