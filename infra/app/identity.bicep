// The only credential of the app. User-assigned: it outlives the app, and can be given its permissions before there is one.

@description('Where it lives.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the identity.')
param name string

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: name
  location: location
  tags: tags
}

@description('Resource id.')
output id string = identity.id

@description('What the app and its host name it by.')
output clientId string = identity.properties.clientId

@description('What roles and permissions are given to.')
output principalId string = identity.properties.principalId
