// Every role, one by one, each on the smallest thing that Azure lets it be given on. docs/permissions.md has the same list in words.

@description('The identity of the app: principal id.')
param appPrincipalId string

@description('Who operates: object id of a group (or person) in Entra; blank: nobody yet.')
param operatorsId string

@description('Who puts the webhook key into the vault: object id of a group (or person) in Entra; blank: nobody yet.')
param keyKeepersId string

@description('The storage account of the host.')
param hostStorageName string

@description('The queues of the app on it.')
param queues array

@description('The storage account of journal and receipts.')
param journalStorageName string

@description('The table of requests, events, resets and dead letters.')
param journalTable string

@description('The table of switches and orders.')
param controlTable string

@description('The container of the receipts.')
param receiptsContainer string

@description('The vault.')
param vaultName string

@description('Application Insights.')
param applicationInsightsName string

// Built-in roles of Azure.
var roles = {
  keyVaultSecretsOfficer: 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'
  keyVaultSecretsUser: '4633458b-17de-408a-b874-0445c86b69e6'
  monitoringMetricsPublisher: '3913510d-42f4-4e42-8a64-420c390055eb'
  storageBlobDataContributor: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  storageBlobDataOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  storageBlobDataReader: '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
  storageQueueDataContributor: '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  storageTableDataContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
  storageTableDataReader: '76199698-9eea-4c19-bc75-cec21354c6b6'
}

// ---- what there is

resource hostStorage 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: hostStorageName
}

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2024-01-01' existing = {
  parent: hostStorage
  name: 'default'
}

resource queue 'Microsoft.Storage/storageAccounts/queueServices/queues@2024-01-01' existing = [for queueName in queues: {
  parent: queueService
  name: queueName
}]

resource journalStorage 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: journalStorageName
}

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2024-01-01' existing = {
  parent: journalStorage
  name: 'default'
}

resource journal 'Microsoft.Storage/storageAccounts/tableServices/tables@2024-01-01' existing = {
  parent: tableService
  name: journalTable
}

resource control 'Microsoft.Storage/storageAccounts/tableServices/tables@2024-01-01' existing = {
  parent: tableService
  name: controlTable
}

resource blobService 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' existing = {
  parent: journalStorage
  name: 'default'
}

resource receipts 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' existing = {
  parent: blobService
  name: receiptsContainer
}

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' existing = {
  name: vaultName
}

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

// ---- the app

// The host keeps leases of timers and its keys in containers that it makes itself, and the package lies beside them.
resource appOnHostBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: hostStorage
  name: guid(hostStorage.id, appPrincipalId, roles.storageBlobDataOwner)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageBlobDataOwner)
  }
}

// The host writes why it could not start into a table that it makes itself. Nothing of ours is in this account's tables.
resource appOnHostTables 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: hostStorage
  name: guid(hostStorage.id, appPrincipalId, roles.storageTableDataContributor)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageTableDataContributor)
  }
}

// The trigger takes requests and puts aside what cannot be processed; the app puts requests back, publishes results, and buries.
resource appOnQueue 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (queueName, i) in queues: {
  scope: queue[i]
  name: guid(queue[i].id, appPrincipalId, roles.storageQueueDataContributor)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageQueueDataContributor)
  }
}]

// The app remembers. Nobody else writes here: who can has anybody reset.
resource appOnJournal 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: journal
  name: guid(journal.id, appPrincipalId, roles.storageTableDataContributor)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageTableDataContributor)
  }
}

// The app opens the breaker, marks it as announced, and takes orders off the table.
resource appOnControl 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: control
  name: guid(control.id, appPrincipalId, roles.storageTableDataContributor)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageTableDataContributor)
  }
}

// The app creates and appends. That it deletes nothing is the immutability policy's business: no role lets append alone.
resource appOnReceipts 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: receipts
  name: guid(receipts.id, appPrincipalId, roles.storageBlobDataContributor)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageBlobDataContributor)
  }
}

// The platform reads the webhook's keys for the app. On the vault: it holds nothing else, and the secret is not there yet.
resource appOnVault 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: vault
  name: guid(vault.id, appPrincipalId, roles.keyVaultSecretsUser)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.keyVaultSecretsUser)
  }
}

// Host and worker send the log with a token, since keys are not accepted. It cannot be read with this role.
resource appOnTelemetry 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: applicationInsights
  name: guid(applicationInsights.id, appPrincipalId, roles.monitoringMetricsPublisher)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.monitoringMetricsPublisher)
  }
}

// ---- people: a group, or one person in a trial; so no `principalType`

// Operators pause, close the breaker and give orders, which the app checks and carries out with its own rights.
resource operatorsOnControl 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operatorsId)) {
  scope: control
  name: guid(control.id, operatorsId, roles.storageTableDataContributor)
  properties: {
    principalId: operatorsId
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageTableDataContributor)
  }
}

// Operators see what waits and why; they cannot make the app believe anything.
resource operatorsOnJournal 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operatorsId)) {
  scope: journal
  name: guid(journal.id, operatorsId, roles.storageTableDataReader)
  properties: {
    principalId: operatorsId
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageTableDataReader)
  }
}

// Operators verify receipts.
resource operatorsOnReceipts 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operatorsId)) {
  scope: receipts
  name: guid(receipts.id, operatorsId, roles.storageBlobDataReader)
  properties: {
    principalId: operatorsId
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageBlobDataReader)
  }
}

// Key keepers put the webhook's keys there and rotate them; a role apart from the operators', whom no key concerns.
resource keyKeepersOnVault 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(keyKeepersId)) {
  scope: vault
  name: guid(vault.id, keyKeepersId, roles.keyVaultSecretsOfficer)
  properties: {
    principalId: keyKeepersId
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.keyVaultSecretsOfficer)
  }
}
