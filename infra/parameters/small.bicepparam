// One account with flow logs in the deployment's own resource group, created here, and a hub of one throughput unit:
// about 1 MB of flow logs a second. Storage account names are unique in the world: choose one.
using '../main.bicep'

param flowLogAccounts = [
  {
    name: readEnvironmentVariable('FLOWLOG_ACCOUNT')
    create: true
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
param instanceMemoryMB = 512
param logDailyQuotaGb = 1
param alertOnSilence = false
