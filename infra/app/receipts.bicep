// The immutability policy of the receipts, as docs/receipts.md asks for it. It is made unlocked; locking cannot be taken back, and so
// is left to a person.

@description('The account of the journal.')
param accountName string

@description('The container of the receipts.')
param containerName string

@description('For how many days after its last append nobody can change or delete a receipt.')
@minValue(1)
@maxValue(146000)
param days int

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: accountName
}

resource blobService 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' existing = {
  parent: account
  name: 'default'
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' existing = {
  parent: blobService
  name: containerName
}

resource policy 'Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies@2024-01-01' = {
  parent: container
  name: 'default'
  properties: {
    immutabilityPeriodSinceCreationInDays: days
    // Without it every append fails, and nobody is reset.
    allowProtectedAppendWrites: true
  }
}
