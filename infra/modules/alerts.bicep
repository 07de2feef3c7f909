@description('Prefix of the alerts\' names.')
param prefix string

@description('Region of the log alerts: that of the Application Insights component.')
param location string

@description('Tags of the alerts.')
param tags object

@description('Resource id of the Application Insights component.')
param insightsId string

@description('Resource id of the Event Hubs namespace.')
param namespaceId string

@description('Name of the event hub.')
param hubName string

@description('Resource ids of the flow-log accounts\' system topics.')
param topicIds string[]

@description('Whether an hour without messages raises an alert.')
param alertOnSilence bool

@description('E-mail address for alerts; empty to show them in the portal only.')
param emailAddress string

// The forwarder logs one JSON object a line; the host sends each as the message of a trace.
var lines = 'traces | where message startswith "{" | extend line = parse_json(message)'

// The log line at the end of each sweep.
var sweeps = '${lines} | extend message = tostring(line.message) | where message startswith "swept "'

var queries = [
  {
    name: 'quarantined'
    severity: 1
    description: 'Records were quarantined: stored, but not forwarded.'
    query: '${lines} | where tostring(line.message) startswith "bytes quarantined instead of forwarded" | project timestamp, blob = tostring(line.blob), item = tostring(line.item), reason = tostring(line.message)'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    name: 'never-swept'
    severity: 1
    description: 'Hours became older than the retention before a sweep finished them. Their remaining records are no longer forwarded automatically.'
    query: '${lines} | where tostring(line.level) == "ERROR" and tostring(line.message) startswith "hours from " | project timestamp, container = tostring(line.container), reason = tostring(line.message)'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    name: 'table-lost'
    severity: 1
    description: 'The checkpoint table lost its rows. No record is lost, but blobs of the last hours are forwarded twice.'
    query: '${lines} | where tostring(line.message) startswith "the checkpoint table lost its rows" | project timestamp, container = tostring(line.container), reason = tostring(line.message)'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    name: 'broken'
    severity: 1
    description: 'A sweep found blobs of which some bytes cannot be forwarded because they are not valid flow logs.'
    query: '${sweeps} | where message !contains ", 0 broken" | project timestamp, message'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    name: 'not-swept'
    severity: 1
    description: 'No sweep succeeded for 15 minutes: it fails, or the timer does not run.'
    query: 'requests | where name == "FlowLogSweep" and success == true | project timestamp'
    operator: 'LessThan'
    threshold: 1
  }
  {
    name: 'sweeps-fail'
    severity: 2
    description: 'Two consecutive sweeps reported failures: late blobs are not caught up with.'
    query: '${sweeps} | order by timestamp asc | extend failed = message contains "first failure: " | where failed and prev(failed) | project timestamp, message'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    name: 'errors'
    severity: 2
    description: 'The forwarder logged errors. Failed events are delivered again and swept; repeated errors need attention.'
    query: '${lines} | where tostring(line.level) == "ERROR" | project timestamp, reason = tostring(line.message)'
    operator: 'GreaterThan'
    threshold: 20
  }
  {
    name: 'failures'
    severity: 2
    description: 'Invocations failed: the forwarder answered with an error or did not run.'
    query: 'requests | where success == false | project timestamp, name, resultCode'
    operator: 'GreaterThan'
    threshold: 20
  }
]

var hasEmail = !empty(emailAddress)

resource group 'Microsoft.Insights/actionGroups@2023-01-01' = if (hasEmail) {
  name: '${prefix}-alerts'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'flowlogs'
    emailReceivers: [
      {
        name: 'email'
        emailAddress: emailAddress
        useCommonAlertSchema: true
      }
    ]
  }
}

resource logAlerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for alert in queries: {
    name: '${prefix}-${alert.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: '${prefix}: ${alert.name}'
      description: alert.description
      severity: alert.severity
      enabled: true
      scopes: [insightsId]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT15M'
      criteria: {
        allOf: [
          {
            query: alert.query
            timeAggregation: 'Count'
            operator: alert.operator
            threshold: alert.threshold
            failingPeriods: {
              numberOfEvaluationPeriods: 1
              minFailingPeriodsToAlert: 1
            }
          }
        ]
      }
      autoMitigate: true
      actions: {
        actionGroups: hasEmail ? [group.id] : []
      }
    }
  }
]

resource deadLettered 'Microsoft.Insights/metricAlerts@2018-03-01' = [
  for (topicId, index) in topicIds: {
    name: '${prefix}-dead-lettered-${index}'
    location: 'global'
    tags: tags
    properties: {
      description: 'Event Grid dead-lettered events. The sweep forwards their blobs; find out why the deliveries failed.'
      severity: 2
      enabled: true
      scopes: [topicId]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT15M'
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          {
            criterionType: 'StaticThresholdCriterion'
            name: 'dead-lettered'
            metricName: 'DeadLetteredCount'
            timeAggregation: 'Total'
            operator: 'GreaterThan'
            threshold: 0
          }
        ]
      }
      autoMitigate: true
      actions: hasEmail ? [{ actionGroupId: group.id }] : []
    }
  }
]

resource throttled 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: '${prefix}-throttled'
  location: 'global'
  tags: tags
  properties: {
    description: 'The namespace throttles requests: it needs more throughput units.'
    severity: 2
    enabled: true
    scopes: [namespaceId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'throttled'
          metricName: 'ThrottledRequests'
          timeAggregation: 'Total'
          operator: 'GreaterThan'
          threshold: 100
        }
      ]
    }
    autoMitigate: true
    actions: hasEmail ? [{ actionGroupId: group.id }] : []
  }
}

resource silent 'Microsoft.Insights/metricAlerts@2018-03-01' = if (alertOnSilence) {
  name: '${prefix}-silent'
  location: 'global'
  tags: tags
  properties: {
    description: 'The hub received no message for an hour. Flow logs are written every minute while there is traffic.'
    severity: 1
    enabled: true
    scopes: [namespaceId]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT1H'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'silent'
          metricName: 'IncomingMessages'
          timeAggregation: 'Total'
          operator: 'LessThanOrEqual'
          threshold: 0
          dimensions: [
            {
              name: 'EntityName'
              operator: 'Include'
              values: [hubName]
            }
          ]
        }
      ]
    }
    autoMitigate: true
    actions: hasEmail ? [{ actionGroupId: group.id }] : []
  }
}
