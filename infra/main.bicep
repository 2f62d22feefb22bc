// Everything that one installation consists of in Azure, in a resource group of its own. What it may do in Entra is granted apart
// from it, by somebody who may (infra/entra).
targetScope = 'subscription'

// ---- where

@description('Name of the environment; resources are named after it.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('Region. It must offer Flex Consumption: `az functionapp list-flexconsumption-locations`.')
@minLength(1)
param location string

// ---- who

@description('Object id of the Entra group (or person) that operates: turns switches, reads journal and receipts. Blank: nobody yet.')
param operatorsId string = ''

@description('Object id of the Entra group (or person) that puts the webhook key into the vault and rotates it. Blank: nobody yet.')
param keyKeepersId string = ''

@description('Mail address that alerts go to. Blank: to nobody.')
param alertEmail string = ''

// ---- from where; addresses are single or ranges (CIDR), separated by blanks

@description('Who may call the app: ServiceNow, and whoever asks for health or status. Blank: nobody.')
param webhookAddresses string = ''

@description('Who may deploy to the app, with a token of Entra besides. Blank: nobody.')
param deploymentAddresses string = ''

@description('Whether storage and vault are reached over a network of their own only. Without it their tokens alone decide.')
param vnetEnabled bool = false

@description('With `vnetEnabled`: who reaches storage and vault over the internet even so (single addresses without a suffix). Blank: nobody.')
param operatorAddresses string = ''

@description('With `vnetEnabled`: the range of addresses of the network, a /24 or larger.')
param vnetAddressPrefix string = '10.90.0.0/24'

// ---- how much

@description('How many instances there may be, of each group of functions. Each works on 8 requests at most (host.json): two are 16 resets at once, and one may be lost without a stop.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int = 2

@description('1 keeps an instance for the webhook and one for the worker warm, at a price; 0 lets the first call after a pause wait.')
@minValue(0)
@maxValue(1)
param alwaysReadyInstances int = 0

@description('Redundancy of journal and receipts. A lost journal means looking at what was under way by hand.')
@allowed([
  'Standard_LRS'
  'Standard_ZRS'
  'Standard_GRS'
  'Standard_GZRS'
])
param journalRedundancy string = 'Standard_ZRS'

// ---- how long

@description('For how many days after its last append a receipt cannot be changed or deleted. The policy is made unlocked. 0: the policy stays as it is, also none; needed once it is locked.')
@minValue(0)
@maxValue(146000)
param receiptsRetentionDays int = 365

@description('How many days a deleted receipt can be brought back where no policy forbids deleting. It counts into what docs/privacy.md says.')
@minValue(1)
@maxValue(365)
param receiptsKeepDeletedDays int = 30

@description('How many days the log is kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

// ---- the settings of README.md, by the names that they have there; lists are separated by blanks, a blank setting is left out

@description('MODE: dry-run or enforce.')
@allowed([
  'dry-run'
  'enforce'
])
param mode string = 'dry-run'

@description('GRAPH_ENDPOINT: root of Microsoft Graph; national clouds change it.')
param graphEndpoint string = 'https://graph.microsoft.com'

@description('ALLOWED_PROFILES: profiles that may be asked for.')
param allowedProfiles string = 'require-reregister'

@description('TRUSTED_SOURCES: CloudEvents sources that may act without a ticket.')
param trustedSources string = ''

@description('REVOKE_SESSIONS: whether sign-in sessions end too.')
@allowed([
  'true'
  'false'
])
param revokeSessions string = 'true'

@description('REQUEST_MAX_AGE: how old an event may be.')
param requestMaxAge string = 'PT24H'

@description('GIVE_UP_AFTER: how long an unavailable service is waited for.')
param giveUpAfter string = 'PT6H'

@description('CLAIM_LEASE: how long the claim of a worker holds without being renewed.')
param claimLease string = 'PT2M'

@description('SERVICENOW_URL: root of the instance. Blank: tickets are refused.')
param servicenowUrl string = ''

@description('SERVICENOW_AUDIENCE: audience of the token that ServiceNow accepts.')
param servicenowAudience string = ''

@description('SERVICENOW_TABLES: tables that tickets may be in.')
param servicenowTables string = 'sc_req_item'

@description('SERVICENOW_CATALOG_ITEMS: sys_ids of the catalog items that justify a reset. Blank: none does.')
param servicenowCatalogItems string = ''

@description('SERVICENOW_USER_FIELD: field of sys_user with the user principal name or object id.')
param servicenowUserField string = 'user_name'

@description('SERVICENOW_PROFILE_FIELD: ticket field that may name another profile.')
param servicenowProfileField string = ''

@description('SERVICENOW_DONE_STATE: state of the ticket after `done`.')
param servicenowDoneState string = ''

@description('APPROVALS_REQUIRED: how many independent approvals there must be.')
param approvalsRequired string = '1'

@description('APPROVAL_MAX_AGE: how old an approval may be.')
param approvalMaxAge string = 'PT72H'

@description('APPROVER_GROUP: sys_id of the ServiceNow group whose members may approve.')
param approverGroup string = ''

@description('SERVICENOW_INTEGRATION_USER: sys_id of the account by which the app calls ServiceNow.')
param servicenowIntegrationUser string = ''

@description('PROOF_FIELD: ticket field that attests how identity was proven.')
param proofField string = ''

@description('PROOF_ACCEPTED: its accepted values.')
param proofAccepted string = ''

@description('PROTECTED_USERS: object ids of people who are never reset.')
param protectedUsers string = ''

@description('PROTECTED_GROUPS: object ids of groups whose members are never reset.')
param protectedGroups string = ''

@description('ALLOWED_GROUPS: object ids of the groups whose members may be reset.')
param allowedGroups string = ''

@description('COOLDOWN: time between two resets of one person.')
param cooldown string = 'PT24H'

@description('ACTOR_HOURLY_LIMIT: resets in an hour for one requester, approver or source.')
param actorHourlyLimit string = '10'

@description('BREAKER_LIMIT: resets in an hour in the tenant.')
param breakerLimit string = '50'

// ---- what follows from it

var settings = {
  MODE: mode
  GRAPH_ENDPOINT: graphEndpoint
  ALLOWED_PROFILES: allowedProfiles
  TRUSTED_SOURCES: trustedSources
  REVOKE_SESSIONS: revokeSessions
  REQUEST_MAX_AGE: requestMaxAge
  GIVE_UP_AFTER: giveUpAfter
  CLAIM_LEASE: claimLease
  SERVICENOW_URL: servicenowUrl
  SERVICENOW_AUDIENCE: servicenowAudience
  SERVICENOW_TABLES: servicenowTables
  SERVICENOW_CATALOG_ITEMS: servicenowCatalogItems
  SERVICENOW_USER_FIELD: servicenowUserField
  SERVICENOW_PROFILE_FIELD: servicenowProfileField
  SERVICENOW_DONE_STATE: servicenowDoneState
  APPROVALS_REQUIRED: approvalsRequired
  APPROVAL_MAX_AGE: approvalMaxAge
  APPROVER_GROUP: approverGroup
  SERVICENOW_INTEGRATION_USER: servicenowIntegrationUser
  PROOF_FIELD: proofField
  PROOF_ACCEPTED: proofAccepted
  PROTECTED_USERS: protectedUsers
  PROTECTED_GROUPS: protectedGroups
  ALLOWED_GROUPS: allowedGroups
  COOLDOWN: cooldown
  ACTOR_HOURLY_LIMIT: actorHourlyLimit
  BREAKER_LIMIT: breakerLimit
}

// The names that the app knows its stores by.
var queues = [
  'mfa-requests'
  'mfa-results'
  'mfa-requests-poison'
]
var journalTable = 'reregisterjournal'
var controlTable = 'reregistercontrol'
var receiptsContainer = 'reregister-receipts'
var packageContainer = 'package'
var webhookKeysName = 'webhook-keys'

var resourceToken = toLower(uniqueString(subscription().id, environmentName, location))
var tags = {
  'azd-env-name': environmentName
}
var storageAddresses = filter(split(operatorAddresses, ' '), address => !empty(address))

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'app/identity.bicep' = {
  name: 'identity'
  scope: group
  params: {
    location: location
    tags: tags
    name: 'id-${resourceToken}'
  }
}

module telemetry 'app/telemetry.bicep' = {
  name: 'telemetry'
  scope: group
  params: {
    location: location
    tags: tags
    workspaceName: 'log-${resourceToken}'
    applicationInsightsName: 'appi-${resourceToken}'
    retentionDays: logRetentionDays
  }
}

module hostStorage 'app/storage.bicep' = {
  name: 'host-storage'
  scope: group
  params: {
    location: location
    tags: tags
    name: 'sth${resourceToken}'
    sku: 'Standard_LRS'
    queues: queues
    containers: [
      packageContainer
    ]
    private: vnetEnabled
    addresses: storageAddresses
  }
}

// Apart from the host's: what the host needs on its own account does not reach what the app believes.
module journalStorage 'app/storage.bicep' = {
  name: 'journal-storage'
  scope: group
  params: {
    location: location
    tags: tags
    name: 'stj${resourceToken}'
    sku: journalRedundancy
    tables: [
      journalTable
      controlTable
    ]
    containers: [
      receiptsContainer
    ]
    versioning: true
    keepDeletedDays: receiptsKeepDeletedDays
    private: vnetEnabled
    addresses: storageAddresses
  }
}

module receipts 'app/receipts.bicep' = if (receiptsRetentionDays > 0) {
  name: 'receipts'
  scope: group
  params: {
    accountName: journalStorage.outputs.name
    containerName: receiptsContainer
    days: receiptsRetentionDays
  }
}

module vault 'app/vault.bicep' = {
  name: 'vault'
  scope: group
  params: {
    location: location
    tags: tags
    name: 'kv-${resourceToken}'
    private: vnetEnabled
    addresses: storageAddresses
  }
}

module network 'app/network.bicep' = if (vnetEnabled) {
  name: 'network'
  scope: group
  params: {
    location: location
    tags: tags
    name: 'vnet-${resourceToken}'
    addressPrefix: vnetAddressPrefix
    hostStorageId: hostStorage.outputs.id
    journalStorageId: journalStorage.outputs.id
    vaultId: vault.outputs.id
  }
}

module roles 'app/roles.bicep' = {
  name: 'roles'
  scope: group
  params: {
    appPrincipalId: identity.outputs.principalId
    operatorsId: operatorsId
    keyKeepersId: keyKeepersId
    hostStorageName: hostStorage.outputs.name
    queues: queues
    journalStorageName: journalStorage.outputs.name
    journalTable: journalTable
    controlTable: controlTable
    receiptsContainer: receiptsContainer
    vaultName: vault.outputs.name
    applicationInsightsName: telemetry.outputs.applicationInsightsName
  }
}

module app 'app/function.bicep' = {
  name: 'app'
  scope: group
  // Roles first: an app that starts without them is in error until the platform tries again.
  dependsOn: [
    roles
  ]
  params: {
    location: location
    tags: tags
    name: 'func-${resourceToken}'
    planName: 'plan-${resourceToken}'
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    hostStorageName: hostStorage.outputs.name
    packageContainer: packageContainer
    journalStorageName: journalStorage.outputs.name
    vaultName: vault.outputs.name
    webhookKeysName: webhookKeysName
    applicationInsightsName: telemetry.outputs.applicationInsightsName
    subnetId: vnetEnabled ? network!.outputs.appSubnetId : ''
    webhookAddresses: filter(split(webhookAddresses, ' '), address => !empty(address))
    deploymentAddresses: filter(split(deploymentAddresses, ' '), address => !empty(address))
    maximumInstanceCount: maximumInstanceCount
    alwaysReadyInstances: alwaysReadyInstances
    settings: settings
  }
}

module monitoring 'monitoring/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    location: location
    tags: tags
    workspaceId: telemetry.outputs.workspaceId
    applicationInsightsId: telemetry.outputs.applicationInsightsId
    actionGroupEmail: alertEmail
  }
}

// ---- what the next steps need; no secret is among it

@description('Region.')
output AZURE_LOCATION string = location

@description('Tenant.')
output AZURE_TENANT_ID string = tenant().tenantId

@description('Resource group.')
output AZURE_RESOURCE_GROUP string = group.name

@description('Name of the app.')
output AZURE_FUNCTION_APP_NAME string = app.outputs.name

@description('Address of the app.')
output REREGISTER_URL string = app.outputs.url

@description('Where ServiceNow sends its events.')
output REREGISTER_WEBHOOK_URL string = '${app.outputs.url}/api/webhooks/servicenow'

@description('Client id of the identity.')
output REREGISTER_IDENTITY_CLIENT_ID string = identity.outputs.clientId

@description('What the permissions of Entra are granted to.')
output REREGISTER_IDENTITY_PRINCIPAL_ID string = identity.outputs.principalId

@description('The vault that the webhook keys are put into.')
output AZURE_KEY_VAULT_NAME string = vault.outputs.name

@description('The name under which they are put there.')
output WEBHOOK_KEYS_SECRET_NAME string = webhookKeysName

@description('The account of the queues.')
output HOST_STORAGE_NAME string = hostStorage.outputs.name

@description('The account of journal and receipts.')
output JOURNAL_STORAGE_NAME string = journalStorage.outputs.name

@description('Where the log is.')
output LOG_ANALYTICS_WORKSPACE_ID string = telemetry.outputs.workspaceId
