#![allow(clippy::unwrap_used)]

use super::*;
use crate::flow_log::{LogKind, VNET_CONTAINER};
use crate::hour::{Hour, Retention};
use proptest::prelude::*;
use time::Date;
use url::Url;

const HOUR: &str = "y=2026/m=05/d=09/h=13/m=00/macAddress=112233ABCDEF/PT1H.json";
const NAME: &str = "flowLogResourceID=/AAAA0A0A_NETWORKWATCHERRG/NETWORKWATCHER_EASTUS_VNET-FLOWLOG/y=2026/m=05/d=09/h=13/m=00/macAddress=112233ABCDEF/PT1H.json";
const NSG_NAME: &str = "resourceId=/SUBSCRIPTIONS/AAAA0A0A/RESOURCEGROUPS/RG/PROVIDERS/MICROSOFT.NETWORK/NETWORKSECURITYGROUPS/NSG/y=2024/m=12/d=31/h=23/m=00/macAddress=00-22-48-AA-bb-0c/PT1H.json";
const NSG_CONTAINER: &str = "insights-logs-networksecuritygroupflowevent";

/// Two accounts in Azure and one in an emulator.
fn sources() -> Sources {
    let accounts = [
        "https://contoso.blob.core.windows.net",
        "https://other.blob.core.windows.net",
        "https://127.0.0.1:10000/dev",
    ];
    let containers = [VNET_CONTAINER, NSG_CONTAINER].map(str::to_owned);
    Sources::new(accounts.map(|account| Url::parse(account).unwrap()), &containers)
}

fn url(name: &str) -> String {
    format!("https://contoso.blob.core.windows.net/{VNET_CONTAINER}/{name}")
}

fn locate(url: &str) -> Result<FlowLogBlob, RejectedUrl> {
    sources().locate(url)
}

fn not_flow_log(name: &str) -> NotFlowLog {
    match locate(&url(name)) {
        Err(RejectedUrl::NotFlowLog(reason)) => reason,
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn a_virtual_network_flow_log_is_located_by_its_url() {
    let blob = locate(&url(NAME)).unwrap();
    assert_eq!(blob.account().as_str(), "https://contoso.blob.core.windows.net/");
    assert_eq!(blob.container(), VNET_CONTAINER);
    assert_eq!(blob.name(), NAME);
    assert_eq!(*blob.kind(), LogKind::VNET);
    assert_eq!(blob.flow_log(), "AAAA0A0A_NETWORKWATCHERRG/NETWORKWATCHER_EASTUS_VNET-FLOWLOG");
    assert_eq!((blob.date().to_string().as_str(), blob.hour()), ("2026-05-09", 13));
    assert_eq!(blob.mac(), "112233ABCDEF");
    assert_eq!(blob.url(), url(NAME));
    assert_eq!(blob.to_string(), blob.url());
}

#[test]
fn a_security_group_flow_log_is_located_by_its_url() {
    let blob = locate(&format!("https://contoso.blob.core.windows.net/{NSG_CONTAINER}/{NSG_NAME}")).unwrap();
    assert_eq!(*blob.kind(), LogKind::NSG);
    assert!(blob.flow_log().starts_with("SUBSCRIPTIONS/") && blob.flow_log().ends_with("/NSG"));
    assert_eq!(blob.mac(), "002248AABB0C");
}

#[test]
fn every_spelling_of_a_url_names_the_same_blob() {
    let plain = locate(&url(NAME)).unwrap();
    for spelling in [
        url(&NAME.replace('=', "%3D")),
        url(&NAME.replace('=', "%3d").replace("/y%3d", "%2Fy=")),
        url(NAME).replace("contoso.blob", "CONTOSO.Blob"),
        url(NAME).replace("https", "HTTPS"),
        url(NAME).replace(".net/", ".net:443/"),
        url(NAME).replace(".blob.", ".dfs."),
        url(NAME).replace("insights-logs", "insights%2Dlogs"),
    ] {
        assert_eq!(locate(&spelling).as_ref(), Ok(&plain), "{spelling}");
    }
}

#[test]
fn an_emulators_account_is_first_in_the_path() {
    let blob = locate(&format!("https://127.0.0.1:10000/dev/{VNET_CONTAINER}/{NAME}")).unwrap();
    assert_eq!(blob.account().as_str(), "https://127.0.0.1:10000/dev");
    assert_eq!(blob.name(), NAME);
    assert_eq!(blob.url(), format!("https://127.0.0.1:10000/dev/{VNET_CONTAINER}/{NAME}"));
    for other in ["https://127.0.0.1:10000/dev2", "https://127.0.0.1:10001/dev", "http://127.0.0.1:10000/dev"]
    {
        let found = locate(&format!("{other}/{VNET_CONTAINER}/{NAME}"));
        assert_eq!(found, Err(RejectedUrl::UnknownAccount("127.0.0.1".to_owned())), "{other}");
    }
}

#[test]
fn keys_may_have_any_case_and_unknown_neighbours() {
    for name in [
        NAME.replace("flowLogResourceID", "FLOWLOGRESOURCEID").replace("macAddress", "MACADDRESS"),
        NAME.replace("/y=", "/Y=").replace("/h=13/m=00", "/H=13"),
        NAME.replace("/macAddress", "/v=4/macAddress"),
        NAME.replace("/m=05/d=09/h=13", "/m=5/d=9/h=13"),
        NAME.replace("VNET-FLOWLOG", "VNET/y=north/y="),
        NAME.replace("VNET-FLOWLOG", "d=01/h=02/m=03"),
        NAME.replace("=/AAAA", "=AAAA"),
        NAME.replace("AAAA", ".a..b c"),
    ] {
        let blob = locate(&url(&name)).unwrap();
        assert_eq!((blob.date().to_string().as_str(), blob.hour()), ("2026-05-09", 13), "{name}");
        assert_eq!(blob.name(), name, "slashes and case are kept");
    }
}

#[test]
fn the_last_representable_hour_has_an_end() {
    let blob = locate(&url(&NAME.replace("y=2026/m=05/d=09/h=13", "y=9999/m=12/d=31/h=23"))).unwrap();
    assert_eq!(blob.hour_end(), 253_402_300_800_000);
    assert!(blob.checkpoint_key().partition.starts_with("99991231-"));
}

#[test]
fn names_that_no_flow_log_has_are_rejected_with_the_reason() {
    for (name, reason) in [
        (NAME.replace("PT1H.json", "PT1M.json"), NotFlowLog::OtherFile),
        ("PT1H.json".to_owned(), NotFlowLog::OtherFile),
        (format!("{NAME}/"), NotFlowLog::OtherFile),
        (format!("/{NAME}"), NotFlowLog::Prefix),
        (format!("tenantId=/X/{HOUR}"), NotFlowLog::Prefix),
        (NAME.replace("y=2026/", ""), NotFlowLog::Segment("year (y=)")),
        (NAME.replace("y=2026", "y=1999"), NotFlowLog::Segment("year (y=)")),
        (NAME.replace("y=2026", "y=+202"), NotFlowLog::Segment("year (y=)")),
        (NAME.replace("m=05", "m=13"), NotFlowLog::Segment("month (m=)")),
        (NAME.replace("m=05/d=09", "m=02/d=30"), NotFlowLog::Segment("day (d=)")),
        (NAME.replace("h=13", "h=24"), NotFlowLog::Segment("hour (h=)")),
        (NAME.replace("m=00", "m=xx"), NotFlowLog::Segment("minute (m=)")),
        (NAME.replace("112233ABCDEF", ""), NotFlowLog::Segment("macAddress")),
        (NAME.replace("=/AAAA", "=/x/../../secrets/AAAA"), NotFlowLog::Name),
        (NAME.replace("=/AAAA", "=/x/%2e%2e/AAAA"), NotFlowLog::Name),
        (NAME.replace("=/AAAA", "=/x\\..\\AAAA"), NotFlowLog::Name),
        (NAME.replace("=/AAAA", "=/%0a/AAAA"), NotFlowLog::Name),
        (NAME.replace("=/AAAA", "=//AAAA"), NotFlowLog::Name),
        (NAME.replace("/y=", "//y="), NotFlowLog::Name),
        (NAME.replace("/y=", "%2F/y="), NotFlowLog::Name),
        (NAME.replace("/y=", "./y="), NotFlowLog::Name),
        (NAME.replace("/y=", "%2e/y="), NotFlowLog::Name),
        (NAME.replace("/PT1H", "./PT1H"), NotFlowLog::Name),
        (NAME.replace("AAAA", "AA\\AA"), NotFlowLog::Name),
        (NAME.replace("AAAA", "AA%5cAA"), NotFlowLog::Name),
        (NAME.replace("/y=", "/y=1999/y="), NotFlowLog::Repeated("year (y=)")),
        (NAME.replace("/y=", "/y=2026/m=05/d=08/y="), NotFlowLog::Repeated("year (y=)")),
        (NAME.replace("/d=", "/d=08/d="), NotFlowLog::Repeated("day (d=)")),
        (NAME.replace("/h=", "/h=12/H="), NotFlowLog::Repeated("hour (h=)")),
        (NAME.replace("m=00", "m=00/m=01"), NotFlowLog::Repeated("month (m=) and minute (m=)")),
        (NAME.replace("/mac", "/macaddress=1/mac"), NotFlowLog::Repeated("macAddress")),
        (NAME.replace("AAAA", &"A".repeat(1025)), NotFlowLog::Name),
    ] {
        assert_eq!(not_flow_log(&name), reason, "{name}");
    }
}

#[test]
fn blobs_elsewhere_are_rejected_without_showing_a_signature() {
    let foreign = url(NAME).replace("contoso", "attacker");
    let foreign_account = RejectedUrl::UnknownAccount("attacker.blob.core.windows.net".to_owned());
    assert_eq!(locate(&foreign), Err(foreign_account));
    assert_eq!(
        locate(&url(NAME).replace(VNET_CONTAINER, "backups")),
        Err(RejectedUrl::UnknownContainer("backups".to_owned()))
    );
    // A host that has ours as its prefix or suffix.
    for host in [
        "contoso.blob.core.windows.net.attacker.io",
        "xcontoso.blob.core.windows.net",
        "contoso.blob.core.windows.net.",
    ] {
        let url = url(NAME).replace("contoso.blob.core.windows.net", host);
        assert_eq!(locate(&url), Err(RejectedUrl::UnknownAccount(host.to_owned())));
    }
    for (url, reason) in [
        (format!("{}?sv=1&sig=hidden", url(NAME)), RejectedUrl::NotBare),
        (format!("{}#hidden", url(NAME)), RejectedUrl::NotBare),
        (url(NAME).replace("https://", "https://hidden@"), RejectedUrl::NotBare),
        (url(NAME).replace("https://", "https://attacker.io\\@"), RejectedUrl::NotBare),
        (url(NAME).replace("https:", "file:"), RejectedUrl::NotABlobUrl),
        (url(NAME).replace(".net/", ".net:99999/"), RejectedUrl::NotABlobUrl),
        ("https://contoso.blob.core.windows.net".to_owned(), RejectedUrl::NotABlobUrl),
        ("https://contoso.blob.core.windows.net/x".to_owned(), RejectedUrl::NotABlobUrl),
        (String::new(), RejectedUrl::NotABlobUrl),
        (url(&NAME.replace("AAAA", "%ff")), RejectedUrl::NotUtf8),
        (url(&"A".repeat(20_000)), RejectedUrl::TooLong),
    ] {
        let rejected = locate(&url).unwrap_err();
        assert_eq!(rejected, reason, "{url}");
        assert!(!rejected.to_string().contains("hidden"));
    }
    let long_host = format!("https://{}\n.net/x/y", "a".repeat(500));
    let shown = locate(&long_host).unwrap_err().to_string();
    assert!(shown.len() < 200 && !shown.contains('\n'), "{shown}");
}

#[test]
fn checkpoint_keys_sort_by_day_and_are_unique() {
    let key = |url: &str| locate(url).unwrap().checkpoint_key();
    let one = key(&url(NAME));
    assert!(one.partition.starts_with("20260509-") && one.partition.len() == 25, "{one:?}");
    assert!(one.row.starts_with("13-112233ABCDEF-") && one.row.len() == 32, "{one:?}");
    assert_eq!(one, key(&url(NAME).replace(".blob.", ".dfs.").replace('=', "%3D")));
    let later = key(&url(&NAME.replace("h=13", "h=14")));
    assert_eq!(later.partition, one.partition, "a flow log has one partition per day");
    assert_ne!(later.row, one.row);
    let other_account = key(&url(NAME).replace("contoso", "other"));
    assert_ne!(other_account.partition, one.partition);
    assert_ne!(other_account.row, one.row);
    let other_case = key(&url(&NAME.replace("AAAA", "aaaa")));
    assert_ne!(other_case.row, one.row, "names of blobs are case-sensitive");
}

/// Names of flow logs with unusual characters in the resource's name.
fn names() -> impl Strategy<Value = String> {
    let resource = "[A-Za-z0-9 _.()%+&$!'~äé€😀/-]{1,40}"
        .prop_filter("a service may drop such a segment", |text| {
            !format!("X{text}").split('/').any(|segment| segment.is_empty() || segment.ends_with('.'))
        });
    (resource, 2017u16..=9999, 1u8..=12, 1u8..=28, 0u8..24, "[0-9A-F]{12}").prop_map(|(resource, y, m, d, h, mac)| {
        format!("flowLogResourceID=/X{resource}/y={y:04}/m={m:02}/d={d:02}/h={h:02}/m=00/macAddress={mac}/PT1H.json")
    })
}

proptest! {
    #[test]
    fn any_name_survives_the_round_trip_through_a_url(name in names()) {
        let account = Url::parse("https://contoso.blob.core.windows.net").unwrap();
        let blob = FlowLogBlob::new(&account, VNET_CONTAINER, &name).unwrap();
        prop_assert_eq!(blob.name(), &name);
        let url = blob.url();
        // Normalising the URL, as HTTP clients do, changes nothing.
        let normalised = Url::parse(&url).unwrap();
        prop_assert_eq!(normalised.as_str(), &url);
        prop_assert_eq!(locate(&url), Ok(blob.clone()));
        let key = blob.checkpoint_key();
        let forbidden = |c: char| c.is_control() || "/\\#?".contains(c);
        prop_assert!(!key.partition.contains(forbidden) && !key.row.contains(forbidden));
        prop_assert!(key.partition.len() + key.row.len() < 256);
    }

    #[test]
    fn every_date_and_hour_is_computed_correctly(day in 0i64..=2_915_706, hour in 0u8..24) {
        // From 2017-01-01 to 9999-12-31.
        let first = Date::from_calendar_date(2017, time::Month::January, 1).unwrap();
        let date = first + time::Duration::days(day);
        let (year, month) = (date.year(), u8::from(date.month()));
        let of_date = format!("y={year:04}/m={month:02}/d={:02}/h={hour:02}", date.day());
        let blob = locate(&url(&NAME.replace("y=2026/m=05/d=09/h=13", &of_date))).unwrap();
        prop_assert_eq!((blob.date(), blob.hour()), (date, hour));
        let midnight = u64::try_from(date.midnight().assume_utc().unix_timestamp()).unwrap();
        prop_assert_eq!(blob.hour_end(), (midnight + 3_600 * (u64::from(hour) + 1)) * 1_000);
        let within = Hour::at(blob.hour_end() - 1);
        prop_assert_eq!((within.date(), within.of_day()), (date, hour));
        let key = blob.checkpoint_key();
        let day = format!("{year:04}{month:02}{:02}-", date.day());
        prop_assert!(key.partition.starts_with(&day));
        prop_assert!(CheckpointKey::partitions_before(date).end < key.partition);
        for now in [0, blob.hour_end(), u64::MAX] {
            let _ = check_hour(&blob, now, Retention::of_days(7));
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>(), tail in ".{0,80}") {
        let sources = sources();
        let _ = sources.locate(&text).map_err(|reason| reason.to_string());
        let _ = sources.locate(&url(&tail)).map_err(|reason| reason.to_string());
        let _ = sources.locate(&url(&format!("flowLogResourceID={tail}/{HOUR}")));
        let _ = sources.locate(&format!("https://{tail}/PT1H.json"));
        let _ = sources.locate(&url(&NAME.replace("y=2026/m=05", &tail)));
    }
}
