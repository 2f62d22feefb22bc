// Who is told when the app needs a human, and where its figures are seen. docs/observability.md lists the rules, docs/runbook.md
// says what to do about each.

@description('Region of workbook and rules: that of the workspace.')
param location string = resourceGroup().location

@description('Tags on every resource.')
param tags object = {}

@description('Resource id of the Log Analytics workspace that the queries read.')
param workspaceId string

@description('Resource id of the Application Insights resource whose lines they look at: others may share the workspace.')
param applicationInsightsId string

@description('Address to which alerts are sent. Empty: they are only shown in the portal.')
param actionGroupEmail string = ''

// A row that a query returns is something to look at. The window is wider than the time between two looks, since lines arrive late.
var rules = [
  {
    name: 'poison-not-empty'
    severity: 2
    minutes: 15
    description: 'Messages stay on mfa-requests-poison: the app does not take them off.'
    query: loadTextContent('alerts/poison-not-empty.kql')
  }
  {
    name: 'breaker-open'
    severity: 1
    minutes: 15
    description: 'The breaker is open: nothing is reset until a human closes it.'
    query: loadTextContent('alerts/breaker-open.kql')
  }
  {
    name: 'max-dequeue-count'
    severity: 2
    minutes: 15
    description: 'The host has put a message aside that broke five invocations.'
    query: loadTextContent('alerts/max-dequeue-count.kql')
  }
  {
    name: 'nothing-processed'
    severity: 1
    minutes: 30
    description: 'Requests are waiting, and no attempt has ended in half an hour.'
    query: loadTextContent('alerts/nothing-processed.kql')
  }
  {
    name: 'oldest-waiting'
    severity: 2
    minutes: 15
    description: 'A request has been waiting for more than half an hour.'
    query: loadTextContent('alerts/oldest-waiting.kql')
  }
  {
    name: 'host-silent'
    severity: 1
    minutes: 15
    description: 'The app has not reported its queues: host down, settings wrong, storage away, or telemetry lost.'
    query: loadTextContent('alerts/host-silent.kql')
  }
  {
    name: 'telemetry-sampled'
    severity: 3
    minutes: 60
    description: 'Lines of the log are left out, so that other rules may miss what they look for.'
    query: loadTextContent('alerts/telemetry-sampled.kql')
  }
]

// What the app itself raises as an alert; breaker-opened is part of breaker-open.
var raised = [
  {
    kind: 'privileged-subject'
    severity: 1
    description: 'Somebody asked for the reset of an administrator. It was refused.'
  }
  {
    kind: 'protected-subject'
    severity: 1
    description: 'Somebody asked for the reset of a protected person. It was refused.'
  }
  {
    kind: 'method-registered'
    severity: 1
    description: 'A method was registered while the reset was under way. It may be an attacker\'s.'
  }
  {
    kind: 'authentication-failures'
    severity: 2
    description: 'The webhook is called by many who cannot authenticate.'
  }
  {
    kind: 'dead-letter'
    severity: 2
    description: 'A message could not be processed, and is kept.'
  }
  {
    kind: 'reset-unfinished'
    severity: 1
    description: 'A reset that has begun is not finished after 15 minutes.'
  }
  {
    kind: 'not-delivered'
    severity: 2
    description: 'A note or a result was given up after seven days.'
  }
  {
    kind: 'internal-error'
    severity: 2
    description: 'An attempt failed for a reason without a name.'
  }
]

var raisedRules = [for alert in raised: {
  name: 'alert-${alert.kind}'
  severity: alert.severity
  minutes: 15
  description: alert.description
  query: replace(loadTextContent('alerts/alert-raised.kql'), 'ALERT_KIND', alert.kind)
}]

var ours = 'AppTraces | where _ResourceId =~ \'${applicationInsightsId}\''

resource actionGroup 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(actionGroupEmail)) {
  name: 'reregister'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'reregister'
    emailReceivers: [
      {
        name: 'on call'
        emailAddress: actionGroupEmail
        useCommonAlertSchema: true
      }
    ]
  }
}

resource alertRules 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for rule in concat(rules, raisedRules): {
  name: 'reregister-${rule.name}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Reregister: ${rule.name}'
    description: '${rule.description} docs/runbook.md#${rule.name}'
    severity: rule.severity
    enabled: true
    scopes: [
      workspaceId
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT${rule.minutes}M'
    criteria: {
      allOf: [
        {
          query: replace(rule.query, 'AppTraces', ours)
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          dimensions: [
            {
              name: 'about' // each request that an alert is about is an alert of its own
              operator: 'Include'
              values: [
                '*'
              ]
            }
          ]
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: true
    skipQueryValidation: true // the table is there once the first line has arrived
    actions: {
      actionGroups: empty(actionGroupEmail) ? [] : [
        actionGroup.id
      ]
    }
  }
}]

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(applicationInsightsId, 'reregister')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'Reregister'
    category: 'workbook'
    version: 'Notebook/1.0'
    sourceId: applicationInsightsId
    serializedData: replace(replace(string(loadJsonContent('workbook.json')), 'AppTraces', ours), 'WORKSPACE_ID', workspaceId)
  }
}

@description('Names of the alert rules.')
output alertRuleNames array = [for rule in concat(rules, raisedRules): 'reregister-${rule.name}']
