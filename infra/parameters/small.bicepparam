// A new flow-log account in the resource group of the deployment, and a hub with one throughput unit, which is about
// 1 MB of flow logs a second. Names of storage accounts are globally unique: choose one.
using '../main.bicep'

param flowLogAccounts = [
  {
    name: readEnvironmentVariable('FLOWLOG_ACCOUNT')
    create: true
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
param instanceMemoryMB = 512
param logDailyQuotaGb = 1
param alertOnSilence = false
