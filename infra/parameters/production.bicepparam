// Accounts that are there, an instance that is always warm, zone redundancy, a hub that grows with the load and keeps
// three days, and alerts by mail.
using '../main.bicep'

param flowLogAccounts = [
  {
    name: readEnvironmentVariable('FLOWLOG_ACCOUNT')
    resourceGroup: readEnvironmentVariable('FLOWLOG_ACCOUNT_GROUP')
  }
]
// Switches the flow log itself on, too, where FLOWLOG_TARGET is the resource id of a virtual network.
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
