#!/usr/bin/env bash
# Brings flowlog-forwarder into a resource group, or takes it out again. Every step can be repeated: what is there
# already is brought to the state that the files describe.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'TEXT'
usage: scripts/deploy.sh [deploy|check|undeploy]

  deploy    what-if, infrastructure, package, event subscriptions, check (the default)
  check     only checks what is deployed
  undeploy  takes away what deploy made

Settings come from the environment:
  RESOURCE_GROUP  the resource group (required)
  LOCATION        its region; required only where the group is not there yet
  PARAMETERS      parameters file (infra/parameters/small.bicepparam)
  PACKAGE         the package that is published (dist/flowlog-forwarder.zip)
  YES             1 goes on without asking
  TEST_BLOB       1 lets check write a blob with one made-up record where the flow logs are, and wait until the hub
                  counts a message: the SIEM sees the record, and you need Storage Blob Data Contributor on the account

The parameters files read variables of their own from the environment; each says which.
TEXT
}

step() { printf '\n== %s\n' "$*"; }
say() { printf '   %s\n' "$*"; }
fail() {
  printf '\ndeploy.sh: %s\n' "$*" >&2
  exit 1
}

# The name of the infrastructure's deployment, under which its outputs are found again.
readonly INFRASTRUCTURE=flowlog-forwarder
readonly EVENTS=flowlog-forwarder-events
# As events.bicep names the subscriptions.
readonly SUBSCRIPTION_NAME=vnet-flowlogs-to-function
# Everything that the templates create has this tag, and so has a group that this script creates.
readonly TAG=application=flowlog-forwarder
# Found by function.json, so that a new function is waited for, too.
FUNCTIONS=()
for definition in */function.json; do FUNCTIONS+=("${definition%/function.json}"); done

RESOURCE_GROUP=${RESOURCE_GROUP:-}
LOCATION=${LOCATION:-}
PARAMETERS=${PARAMETERS:-infra/parameters/small.bicepparam}
PACKAGE=${PACKAGE:-dist/flowlog-forwarder.zip}
YES=${YES:-}
TEST_BLOB=${TEST_BLOB:-}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Runs "$@" until it succeeds, at most $1 times with $2 seconds in between; its output is the last try's.
until_done() {
  local tries=$1 pause=$2 try
  shift 2
  for ((try = 1; try <= tries; try++)); do
    if "$@"; then return 0; fi
    if ((try < tries)); then sleep "$pause"; fi
  done
  return 1
}

confirm() {
  [[ $YES == 1 ]] && return 0
  [[ -t 0 ]] || fail "there is nobody to ask: set YES=1 to go on without asking"
  local answer
  read -r -p "   $1 [y/N] " answer
  [[ $answer == [yY] ]] || fail "stopped: nothing was changed by this step"
}

require_tools() {
  step "Tools and login"
  command -v az >/dev/null || fail "the Azure CLI (az) is missing: see https://learn.microsoft.com/cli/azure/install-azure-cli"
  [[ -n $RESOURCE_GROUP ]] || fail "RESOURCE_GROUP is not set: it names the resource group to work in"
  SUBSCRIPTION=$(az account show --query id --output tsv) || fail "not logged in: run 'az login', and 'az account set' for the subscription"
  say "subscription $SUBSCRIPTION, resource group $RESOURCE_GROUP"
}

register_providers() {
  step "Resource providers"
  local provider state
  for provider in Microsoft.App Microsoft.EventGrid Microsoft.EventHub Microsoft.Insights Microsoft.ManagedIdentity \
    Microsoft.Network Microsoft.OperationalInsights Microsoft.Storage Microsoft.Web; do
    state=$(az provider show --namespace "$provider" --query registrationState --output tsv) || fail "$provider can't be looked up"
    if [[ $state != Registered ]]; then
      say "registering $provider"
      az provider register --namespace "$provider" --wait >/dev/null || fail "$provider can't be registered: ask the subscription's owner to"
    fi
  done
}

group_exists() { [[ $(az group exists --name "$RESOURCE_GROUP") == true ]]; }

create_group() {
  if group_exists; then return 0; fi
  [[ -n $LOCATION ]] || fail "resource group $RESOURCE_GROUP is not there: set LOCATION to create it"
  step "Resource group"
  az group create --name "$RESOURCE_GROUP" --location "$LOCATION" --tags "$TAG" --output none || fail "the resource group can't be created"
}

deploy_infrastructure() {
  step "What would change"
  az deployment group what-if --resource-group "$RESOURCE_GROUP" --name "$INFRASTRUCTURE" --parameters "$PARAMETERS" ||
    fail "the template or its parameters are not accepted: nothing was changed"
  confirm "Deploy this to $RESOURCE_GROUP?"
  step "Infrastructure"
  az deployment group create --resource-group "$RESOURCE_GROUP" --name "$INFRASTRUCTURE" --parameters "$PARAMETERS" --output none ||
    fail "the infrastructure was not deployed completely: put right what is said above and run this again"
}

# One output of the infrastructure's deployment, or several in JMESPath's own forms.
output() {
  az deployment group show --resource-group "$RESOURCE_GROUP" --name "$INFRASTRUCTURE" \
    --query "properties.outputs.$1" --output "${2:-tsv}"
}

read_outputs() {
  APP=$(output functionAppName.value) || fail "$RESOURCE_GROUP has no deployment named $INFRASTRUCTURE: deploy first"
  PRINCIPAL=$(output principalId.value)
  HOST_STORAGE_ID=$(output hostStorageId.value)
  NAMESPACE_ID=$(output namespaceId.value)
  HUB=$(output huntersEventHub.value)
  # Name, resource group, subscription and system topic of each flow-log account, a line each.
  output 'sources.value[].[name, resourceGroup, subscriptionId, topicName]' >"$work/sources"
  [[ -n $APP && -n $PRINCIPAL && -n $HOST_STORAGE_ID && -n $NAMESPACE_ID && -n $HUB && -s $work/sources ]] ||
    fail "the deployment $INFRASTRUCTURE lacks outputs: it did not end well; deploy again"
}

publish() {
  step "Package"
  # Roles take some minutes to be known everywhere, and the upload needs them: hence the patience.
  until_done 5 60 az functionapp deployment source config-zip --resource-group "$RESOURCE_GROUP" --name "$APP" --src "$PACKAGE" --output none ||
    fail "the package was not published to $APP"
  say "waiting for ${FUNCTIONS[*]}"
  until_done 20 15 functions_are_there || fail "$APP does not show ${FUNCTIONS[*]}: look at its log stream for why the host does not start"
}

functions_are_there() {
  local found function
  found=$(az functionapp function list --resource-group "$RESOURCE_GROUP" --name "$APP" --query '[].name' --output tsv) || return 1
  for function in "${FUNCTIONS[@]}"; do
    grep -qx ".*/$function" <<<"$found" || return 1
  done
}

subscribe() {
  step "Event subscriptions"
  local query='{sources: {value: sources.value}, functionAppId: {value: functionAppId.value}, containers: {value: containers.value}, deadLetterAccountId: {value: hostStorageId.value}, deadLetterContainer: {value: deadLetterContainer.value}}'
  az deployment group show --resource-group "$RESOURCE_GROUP" --name "$INFRASTRUCTURE" \
    --query "properties.outputs.$query" --output json >"$work/events.json" || fail "the outputs of the infrastructure can't be read"
  # Event Grid asks the function to answer before it takes it, and the function may still be starting.
  until_done 3 60 az deployment group create --resource-group "$RESOURCE_GROUP" --name "$EVENTS" \
    --template-file infra/events.bicep --parameters "@$work/events.json" --output none ||
    fail "the event subscriptions were not created: the sweep forwards without them, but only every few minutes"
}

check_settings() {
  local names name
  names=$(az functionapp config appsettings list --resource-group "$RESOURCE_GROUP" --name "$APP" --query '[].name' --output tsv) ||
    fail "the settings of $APP can't be read"
  for name in AzureWebJobsStorage__accountName FLOWLOG_STORAGE__blobServiceUri EVENT_HUB_CONNECTION__fullyQualifiedNamespace \
    EVENT_HUB_NAME FLOWLOG_SWEEP_SCHEDULE; do
    grep -qx "$name" <<<"$names" || fail "$APP lacks the setting $name: deploy again"
  done
  for name in AzureWebJobsStorage FLOWLOG_STORAGE EVENT_HUB_CONNECTION; do
    if grep -qx "$name" <<<"$names"; then
      fail "$APP has the setting $name, a connection string, beside the identity's: take it away, the forwarder refuses both"
    fi
  done
  say "settings: complete, and no connection string among them"
}

# Whether the identity has the role $1 on the resource $2, or on what it lies in.
has_role() {
  local subscription=${2#/subscriptions/} roles
  roles=$(az role assignment list --assignee-object-id "$PRINCIPAL" --scope "$2" --include-inherited --subscription "${subscription%%/*}" \
    --query '[].roleDefinitionName' --output tsv </dev/null) || fail "the role assignments of $2 can't be read"
  grep -qx "$1" <<<"$roles"
}

check_roles() {
  local account group subscription topic role
  for role in "Storage Blob Data Owner" "Storage Table Data Contributor"; do
    has_role "$role" "$HOST_STORAGE_ID" || fail "the identity $PRINCIPAL lacks the role $role on $HOST_STORAGE_ID: deploy again"
  done
  has_role "Azure Event Hubs Data Sender" "$NAMESPACE_ID/eventhubs/$HUB" ||
    fail "the identity $PRINCIPAL lacks the role Azure Event Hubs Data Sender on $HUB: deploy again"
  while read -r account group subscription topic; do
    has_role "Storage Blob Data Reader" "/subscriptions/$subscription/resourceGroups/$group/providers/Microsoft.Storage/storageAccounts/$account" ||
      fail "the identity $PRINCIPAL lacks the role Storage Blob Data Reader on $account: deploy again"
  done <"$work/sources"
  say "roles: assigned"
}

check_subscriptions() {
  local account group subscription topic state
  while read -r account group subscription topic; do
    state=$(az eventgrid system-topic event-subscription show --resource-group "$group" --subscription "$subscription" \
      --system-topic-name "$topic" --name "$SUBSCRIPTION_NAME" --query provisioningState --output tsv </dev/null) ||
      fail "$account has no event subscription: deploy again"
    [[ $state == Succeeded ]] || fail "the event subscription of $account is in the state $state"
    say "events of $account: subscribed"
  done <"$work/sources"
}

# Messages that the hub took in the last half hour; 0 where the metric has nothing to say yet.
messages() {
  local start
  start=$(date -u -d '-30 minutes' +%Y-%m-%dT%H:%M:%SZ 2>/dev/null || date -u -v-30M +%Y-%m-%dT%H:%M:%SZ)
  az monitor metrics list --resource "$NAMESPACE_ID" --metrics IncomingMessages --aggregation Total --interval 1m \
    --start-time "$start" --filter "EntityName eq '$HUB'" \
    --query 'sum(value[].timeseries[].data[].total)' --output tsv | cut -d. -f1
}

more_messages_than() { [[ $(messages) -gt $1 ]]; }

check_arrival() {
  local before account
  before=$(messages) || fail "the hub's metrics can't be read"
  if [[ $TEST_BLOB != 1 ]]; then
    say "the hub took $before messages in the last half hour (TEST_BLOB=1 sends one and waits for it)"
    return 0
  fi
  account=$(head -n 1 "$work/sources" | cut -f1)
  local name now
  now=$(date -u +%Y-%m-%dT%H:%M:%S)
  name=$(date -u "+flowLogResourceID=/00000000-0000-0000-0000-000000000000_NETWORKWATCHERRG/NETWORKWATCHER_TEST_DEPLOYMENT-CHECK/y=%Y/m=%m/d=%d/h=%H/m=00/macAddress=000000000000/PT1H.json")
  printf '{"records":[{"time":"%s.0000000Z","flowLogVersion":4,"macAddress":"000000000000","category":"FlowLogFlowEvent","operationName":"FlowLogFlowEvent","flowRecords":{"flows":[]}}]}' "$now" >"$work/PT1H.json"
  az storage blob upload --auth-mode login --account-name "$account" --container-name insights-logs-flowlogflowevent \
    --name "$name" --file "$work/PT1H.json" --overwrite --output none || fail "the test blob can't be written to $account"
  say "wrote a test blob to $account, waiting for the hub to count a message more than $before"
  until_done 20 30 more_messages_than "$before" || fail "no message was counted within ten minutes: look at the app's log stream"
  az storage blob delete --auth-mode login --account-name "$account" --container-name insights-logs-flowlogflowevent \
    --name "$name" --output none || fail "the test blob can't be deleted from $account"
  say "arrival: counted by the hub; the test blob is deleted"
}

check() {
  step "Check"
  check_settings
  check_roles
  functions_are_there || fail "$APP does not show ${FUNCTIONS[*]}"
  say "functions: ${FUNCTIONS[*]}"
  check_subscriptions
  check_arrival
}

print_hunters() {
  step "For Hunters (Data > Data Sources > Microsoft Azure > Connect)"
  say "Subscription ID:      $(output huntersSubscriptionId.value)"
  say "Resource group name:  $(output huntersResourceGroup.value)"
  say "Event Hub namespace:  $(output huntersNamespace.value)"
  say "Event Hub name:       $HUB"
  say "Consumer group:       $(output huntersConsumerGroup.value)"
}

deploy() {
  [[ -f $PACKAGE ]] || fail "$PACKAGE is not there: run 'make package' first"
  [[ -f $PARAMETERS ]] || fail "$PARAMETERS is not there: PARAMETERS names a file of parameters"
  require_tools
  register_providers
  create_group
  deploy_infrastructure
  read_outputs
  publish
  subscribe
  check
  print_hunters
}

undeploy() {
  require_tools
  group_exists || { say "resource group $RESOURCE_GROUP is not there: nothing to do"; return 0; }
  read_outputs
  step "What goes away"
  az resource list --resource-group "$RESOURCE_GROUP" --tag "$TAG" --query '[].[type, name]' --output tsv
  say "with the checkpoints, the quarantine, and flow-log accounts that were created with the deployment"
  confirm "Delete all this?"

  step "Event subscriptions and system topics"
  local account group subscription topic
  while read -r account group subscription topic; do
    az eventgrid system-topic event-subscription delete --resource-group "$group" --subscription "$subscription" \
      --system-topic-name "$topic" --name "$SUBSCRIPTION_NAME" --yes --output none </dev/null || fail "the event subscription of $account can't be deleted"
    # A topic that was there before has no such tag, and may serve others.
    if [[ $(az eventgrid system-topic show --resource-group "$group" --subscription "$subscription" --name "$topic" --query 'tags.application' --output tsv </dev/null) == flowlog-forwarder ]]; then
      az eventgrid system-topic delete --resource-group "$group" --subscription "$subscription" --name "$topic" --yes --output none </dev/null || fail "the system topic $topic can't be deleted"
    fi
  done <"$work/sources"

  step "Roles"
  # Else assignments to an identity that is gone would stay on accounts and hubs elsewhere.
  local id hub_subscription=${NAMESPACE_ID#/subscriptions/}
  { printf '%s\n' "$SUBSCRIPTION" "${hub_subscription%%/*}" && cut -f3 "$work/sources"; } | sort -u >"$work/subscriptions"
  while read -r subscription; do
    az role assignment list --assignee-object-id "$PRINCIPAL" --all --subscription "$subscription" --query '[].id' --output tsv >"$work/roles" ||
      fail "the role assignments in $subscription can't be read"
    while read -r id; do
      az role assignment delete --ids "$id" --output none </dev/null || fail "the role assignment $id can't be deleted"
    done <"$work/roles"
  done <"$work/subscriptions"

  step "Resources"
  if [[ $(az group show --name "$RESOURCE_GROUP" --query 'tags.application' --output tsv) == flowlog-forwarder ]]; then
    az group delete --name "$RESOURCE_GROUP" --yes || fail "the resource group can't be deleted"
  else
    until_done 3 30 delete_resources || fail "some resources can't be deleted: see above"
    az deployment group delete --resource-group "$RESOURCE_GROUP" --name "$EVENTS" --output none || true
    az deployment group delete --resource-group "$RESOURCE_GROUP" --name "$INFRASTRUCTURE" --output none || true
  fi
  say "done"
}

# Deletes what has the tag; what others hang on is refused at first and goes in the next round.
delete_resources() {
  local ids=()
  mapfile -t ids < <(az resource list --resource-group "$RESOURCE_GROUP" --tag "$TAG" --query '[].id' --output tsv)
  ((${#ids[@]} == 0)) && return 0
  az resource delete --ids "${ids[@]}" --output none
}

case ${1:-deploy} in
deploy) deploy ;;
check)
  require_tools
  read_outputs
  check
  ;;
undeploy) undeploy ;;
-h | --help | help) usage ;;
*)
  usage >&2
  exit 64
  ;;
esac
