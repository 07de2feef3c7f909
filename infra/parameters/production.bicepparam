// An existing flow-log account, one instance that always runs, zone redundancy, a hub with auto-inflate and three days of
// retention, and alerts by e-mail.
using '../main.bicep'

param flowLogAccounts = [
  {
    name: readEnvironmentVariable('FLOWLOG_ACCOUNT')
    resourceGroup: readEnvironmentVariable('FLOWLOG_ACCOUNT_GROUP')
  }
]
// If FLOWLOG_TARGET is the resource id of a virtual network, also creates its flow log.
param flowLogs = empty(readEnvironmentVariable('FLOWLOG_TARGET', ''))
  ? []
  : [
      {
        name: 'flowlogs'
        targetId: readEnvironmentVariable('FLOWLOG_TARGET', '')
      }
    ]
param alwaysReadyInstances = 1
param maximumInstanceCount = 100
param storageSku = 'Standard_ZRS'
param hubCapacity = 2
param hubMaximumCapacity = 20
param hubPartitions = 16
param hubRetentionHours = 72
param logRetentionDays = 90
param alertEmail = readEnvironmentVariable('ALERT_EMAIL')
