#!/usr/bin/env bash
# Deploys flowlog-forwarder to a resource group, or deletes it. Every step is idempotent: it brings existing resources to
# the state that the files describe.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'TEXT'
usage: scripts/deploy.sh [deploy|check|undeploy]

  deploy    what-if, infrastructure, package, event subscriptions, check (the default)
  check     only the check
  undeploy  delete the deployment

Settings come from the environment:
  RESOURCE_GROUP  the resource group (required)
  LOCATION        its region; required if the group does not exist
  PARAMETERS      parameters file (infra/parameters/small.bicepparam)
  PACKAGE         the package to publish (dist/flowlog-forwarder.zip)
  YES             1 skips the confirmations
  TEST_BLOB       1 makes check write a blob with one test record to the first flow-log account, and wait until the hub
                  counts a message. The SIEM sees the record. Needs Storage Blob Data Contributor on the account

The parameters files read more variables from the environment; see each file.
TEXT
}

step() { printf '\n== %s\n' "$*"; }
say() { printf '   %s\n' "$*"; }
fail() {
  printf '\ndeploy.sh: %s\n' "$*" >&2
  exit 1
}

# Names of the two deployments; the outputs of the first are read by its name.
readonly INFRASTRUCTURE=flowlog-forwarder
readonly EVENTS=flowlog-forwarder-events
# The subscriptions' name in events.bicep.
readonly SUBSCRIPTION_NAME=vnet-flowlogs-to-function
# The tag of all resources that the templates create, and of a group that this script creates.
readonly TAG=application=flowlog-forwarder
# All functions of the package.
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

# Runs a command until it succeeds, at most $1 times, with $2 seconds in between.
retry() {
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
  [[ -t 0 ]] || fail "there is no terminal to confirm on: set YES=1 to skip the confirmations"
  local answer
  read -r -p "   $1 [y/N] " answer
  [[ $answer == [yY] ]] || fail "stopped: this step changed nothing"
}

require_tools() {
  step "Tools and login"
  command -v az >/dev/null || fail "the Azure CLI (az) is not installed: see https://learn.microsoft.com/cli/azure/install-azure-cli"
  [[ -n $RESOURCE_GROUP ]] || fail "RESOURCE_GROUP is not set: it names the resource group to deploy to"
  SUBSCRIPTION=$(az account show --query id --output tsv) || fail "not logged in: run 'az login', then 'az account set' to choose the subscription"
  say "subscription $SUBSCRIPTION, resource group $RESOURCE_GROUP"
}

register_providers() {
  step "Resource providers"
  local provider state
  for provider in Microsoft.App Microsoft.EventGrid Microsoft.EventHub Microsoft.Insights Microsoft.ManagedIdentity \
    Microsoft.Network Microsoft.OperationalInsights Microsoft.Storage Microsoft.Web; do
    state=$(az provider show --namespace "$provider" --query registrationState --output tsv) || fail "can't read the state of the resource provider $provider"
    if [[ $state != Registered ]]; then
      say "registering $provider"
      az provider register --namespace "$provider" --wait >/dev/null || fail "can't register the resource provider $provider: ask the subscription's owner to register it"
    fi
  done
}

group_exists() { [[ $(az group exists --name "$RESOURCE_GROUP") == true ]]; }

create_group() {
  if group_exists; then return 0; fi
  [[ -n $LOCATION ]] || fail "resource group $RESOURCE_GROUP does not exist: set LOCATION to create it"
  step "Resource group"
  az group create --name "$RESOURCE_GROUP" --location "$LOCATION" --tags "$TAG" --output none || fail "can't create the resource group $RESOURCE_GROUP"
}

deploy_infrastructure() {
  step "What would change"
  az deployment group what-if --resource-group "$RESOURCE_GROUP" --name "$INFRASTRUCTURE" --parameters "$PARAMETERS" ||
    fail "Azure refused the template or its parameters: nothing was changed"
  confirm "Deploy this to $RESOURCE_GROUP?"
  step "Infrastructure"
  az deployment group create --resource-group "$RESOURCE_GROUP" --name "$INFRASTRUCTURE" --parameters "$PARAMETERS" --output none ||
    fail "the infrastructure was not deployed completely: fix the error above and run this again"
}

# Prints an output of the infrastructure's deployment; $1 is a JMESPath expression under `outputs`.
output() {
  az deployment group show --resource-group "$RESOURCE_GROUP" --name "$INFRASTRUCTURE" \
    --query "properties.outputs.$1" --output "${2:-tsv}"
}

read_outputs() {
  APP=$(output functionAppName.value) || fail "resource group $RESOURCE_GROUP has no deployment $INFRASTRUCTURE: deploy first"
  PRINCIPAL=$(output principalId.value)
  HOST_STORAGE_ID=$(output hostStorageId.value)
  NAMESPACE_ID=$(output namespaceId.value)
  HUB=$(output huntersEventHub.value)
  # One line for each flow-log account: name, resource group, subscription, system topic.
  output 'sources.value[].[name, resourceGroup, subscriptionId, topicName]' >"$work/sources"
  [[ -n $APP && -n $PRINCIPAL && -n $HOST_STORAGE_ID && -n $NAMESPACE_ID && -n $HUB && -s $work/sources ]] ||
    fail "the deployment $INFRASTRUCTURE lacks outputs because it failed: deploy again"
}

publish() {
  step "Package"
  # The upload needs role assignments, which take some minutes to become effective.
  retry 5 60 az functionapp deployment source config-zip --resource-group "$RESOURCE_GROUP" --name "$APP" --src "$PACKAGE" --output none ||
    fail "the package was not published to $APP"
  say "waiting for ${FUNCTIONS[*]}"
  retry 20 15 functions_exist || fail "$APP does not show ${FUNCTIONS[*]}: its log stream says why the host does not start"
}

functions_exist() {
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
    --query "properties.outputs.$query" --output json >"$work/events.json" || fail "can't read the outputs of the deployment $INFRASTRUCTURE"
  # Event Grid validates that the function answers, and the function may still be starting.
  retry 3 60 az deployment group create --resource-group "$RESOURCE_GROUP" --name "$EVENTS" \
    --template-file infra/events.bicep --parameters "@$work/events.json" --output none ||
    fail "the event subscriptions were not created: until they are, only the sweep forwards, every few minutes"
}

check_settings() {
  local names name
  names=$(az functionapp config appsettings list --resource-group "$RESOURCE_GROUP" --name "$APP" --query '[].name' --output tsv) ||
    fail "can't read the settings of $APP"
  for name in AzureWebJobsStorage__accountName FLOWLOG_STORAGE__blobServiceUri EVENT_HUB_CONNECTION__fullyQualifiedNamespace \
    EVENT_HUB_NAME FLOWLOG_SWEEP_SCHEDULE; do
    grep -qx "$name" <<<"$names" || fail "$APP lacks the setting $name: deploy again"
  done
  for name in AzureWebJobsStorage FLOWLOG_STORAGE EVENT_HUB_CONNECTION; do
    if grep -qx "$name" <<<"$names"; then
      fail "$APP has the connection string $name beside the identity's settings, and the forwarder refuses both: delete $name"
    fi
  done
  say "settings: complete, without connection strings"
}

# Whether the identity has the role $1 on the resource $2 or on a scope above it.
has_role() {
  local subscription=${2#/subscriptions/} roles
  roles=$(az role assignment list --assignee-object-id "$PRINCIPAL" --scope "$2" --include-inherited --subscription "${subscription%%/*}" \
    --query '[].roleDefinitionName' --output tsv </dev/null) || fail "can't read the role assignments of $2"
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

# Messages that the hub received in the last half hour; 0 without data.
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
  before=$(messages) || fail "can't read the hub's metrics"
  if [[ $TEST_BLOB != 1 ]]; then
    say "the hub received $before messages in the last half hour (TEST_BLOB=1 sends one and waits for it)"
    return 0
  fi
  account=$(head -n 1 "$work/sources" | cut -f1)
  local name now
  now=$(date -u +%Y-%m-%dT%H:%M:%S)
  name=$(date -u "+flowLogResourceID=/00000000-0000-0000-0000-000000000000_NETWORKWATCHERRG/NETWORKWATCHER_TEST_DEPLOYMENT-CHECK/y=%Y/m=%m/d=%d/h=%H/m=00/macAddress=000000000000/PT1H.json")
  printf '{"records":[{"time":"%s.0000000Z","flowLogVersion":4,"macAddress":"000000000000","category":"FlowLogFlowEvent","operationName":"FlowLogFlowEvent","flowRecords":{"flows":[]}}]}' "$now" >"$work/PT1H.json"
  az storage blob upload --auth-mode login --account-name "$account" --container-name insights-logs-flowlogflowevent \
    --name "$name" --file "$work/PT1H.json" --overwrite --output none || fail "can't write the test blob to $account"
  say "wrote a test blob to $account, waiting until the hub counts more than $before messages"
  retry 20 30 more_messages_than "$before" || fail "no message was counted within ten minutes: look at the log stream of $APP"
  az storage blob delete --auth-mode login --account-name "$account" --container-name insights-logs-flowlogflowevent \
    --name "$name" --output none || fail "can't delete the test blob from $account"
  say "arrival: counted by the hub; test blob deleted"
}

check() {
  step "Check"
  check_settings
  check_roles
  functions_exist || fail "$APP does not show ${FUNCTIONS[*]}"
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
  [[ -f $PACKAGE ]] || fail "$PACKAGE does not exist: run 'make package' first"
  [[ -f $PARAMETERS ]] || fail "$PARAMETERS does not exist: PARAMETERS must name a parameters file"
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
  group_exists || { say "resource group $RESOURCE_GROUP does not exist: nothing to do"; return 0; }
  read_outputs
  step "What would be deleted"
  az resource list --resource-group "$RESOURCE_GROUP" --tag "$TAG" --query '[].[type, name]' --output tsv
  say "including checkpoints, quarantine, and the flow-log accounts that the deployment created"
  confirm "Delete all this?"

  step "Event subscriptions and system topics"
  local account group subscription topic
  while read -r account group subscription topic; do
    az eventgrid system-topic event-subscription delete --resource-group "$group" --subscription "$subscription" \
      --system-topic-name "$topic" --name "$SUBSCRIPTION_NAME" --yes --output none </dev/null || fail "can't delete the event subscription of $account"
    # A topic without the tag existed before the deployment, and may have other subscribers.
    if [[ $(az eventgrid system-topic show --resource-group "$group" --subscription "$subscription" --name "$topic" --query 'tags.application' --output tsv </dev/null) == flowlog-forwarder ]]; then
      az eventgrid system-topic delete --resource-group "$group" --subscription "$subscription" --name "$topic" --yes --output none </dev/null || fail "can't delete the system topic $topic"
    fi
  done <"$work/sources"

  step "Roles"
  # Otherwise, assignments to a deleted identity would remain on accounts and hubs of other groups.
  local id hub_subscription=${NAMESPACE_ID#/subscriptions/}
  { printf '%s\n' "$SUBSCRIPTION" "${hub_subscription%%/*}" && cut -f3 "$work/sources"; } | sort -u >"$work/subscriptions"
  while read -r subscription; do
    az role assignment list --assignee-object-id "$PRINCIPAL" --all --subscription "$subscription" --query '[].id' --output tsv >"$work/roles" ||
      fail "can't read the role assignments in subscription $subscription"
    while read -r id; do
      az role assignment delete --ids "$id" --output none </dev/null || fail "can't delete the role assignment $id"
    done <"$work/roles"
  done <"$work/subscriptions"

  step "Resources"
  if [[ $(az group show --name "$RESOURCE_GROUP" --query 'tags.application' --output tsv) == flowlog-forwarder ]]; then
    az group delete --name "$RESOURCE_GROUP" --yes || fail "can't delete the resource group $RESOURCE_GROUP"
  else
    retry 3 30 delete_resources || fail "can't delete some resources: see above"
    az deployment group delete --resource-group "$RESOURCE_GROUP" --name "$EVENTS" --output none || true
    az deployment group delete --resource-group "$RESOURCE_GROUP" --name "$INFRASTRUCTURE" --output none || true
  fi
  say "done"
}

# Deletes the tagged resources. Azure refuses those that others depend on; a retry deletes them.
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
