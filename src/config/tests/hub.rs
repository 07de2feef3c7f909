//! The event hub.

use super::*;
use secrecy::ExposeSecret as _;

#[test]
fn event_hub_connections_are_read() {
    let hub = |value: &str| {
        read_changed(&["EVENT_HUB_NAME"], &[("EVENT_HUB_CONNECTION", value)]).map(|config| config.hub)
    };
    let entity = hub(&format!("{HUB_STRING};EntityPath=flowlogs")).unwrap();
    assert_eq!(
        (entity.host.as_str(), entity.port, entity.tls),
        ("contoso.servicebus.windows.net", 5671, true)
    );
    assert_eq!(entity.name, "flowlogs");
    let HubAccess::Key { name, key } = entity.access else { panic!() };
    assert_eq!((name.as_str(), key.expose_secret()), ("send", "hub-secret="));

    let signature = hub(
        "endpoint=SB://Contoso.servicebus.windows.net:5671;EntityPath=h;SharedAccessSignature=SharedAccessSignature sr=x&sig=y%3d&se=1&skn=n",
    )
    .unwrap();
    assert_eq!(signature.host, "contoso.servicebus.windows.net");
    let HubAccess::Signature(signature) = signature.access else { panic!() };
    assert!(signature.expose_secret().starts_with("SharedAccessSignature sr="));

    let emulator = "Endpoint=sb://127.0.0.1:40002/;SharedAccessKeyName=n;SharedAccessKey=k;EntityPath=h;UseDevelopmentEmulator=true";
    let emulator = hub(emulator).unwrap();
    assert_eq!((emulator.host.as_str(), emulator.port, emulator.tls), ("127.0.0.1", 40002, false));

    let by_identity = read_changed(
        &["EVENT_HUB_CONNECTION"],
        &[("EVENT_HUB_CONNECTION__fullyQualifiedNamespace", "Contoso.servicebus.windows.net")],
    );
    let by_identity = by_identity.unwrap().hub;
    assert_eq!((by_identity.host.as_str(), by_identity.port), ("contoso.servicebus.windows.net", 5671));
    assert!(matches!(by_identity.access, HubAccess::Identity(Identity { client_id: None })));
}

#[test]
fn incomplete_hub_connection_strings_are_refused() {
    let reason = |value: &str| reasons(&[], &[("EVENT_HUB_CONNECTION", value)]).remove(0).1;
    let without = |key| Reason::ConnectionString(Malformed::Missing { key });
    assert_eq!(reason("SharedAccessKeyName=n;SharedAccessKey=hidden"), without("Endpoint"));
    assert_eq!(
        reason("Endpoint=sb://a.net/;SharedAccessKeyName=n"),
        without("SharedAccessKey or SharedAccessSignature")
    );
    assert_eq!(reason("Endpoint=sb://a.net/;SharedAccessKey=hidden"), without("SharedAccessKeyName"));
    assert_eq!(
        reason("Endpoint=sb://a.net/;SharedAccessKey=hidden;SharedAccessSignature=hidden"),
        Reason::ConnectionString(Malformed::Both { one: "SharedAccessKey", other: "SharedAccessSignature" })
    );
    for endpoint in ["https://a.net/", "a.net", "sb://", "sb://a.net/hub", "sb://me@a.net"] {
        let value = format!("Endpoint={endpoint};SharedAccessKeyName=n;SharedAccessKey=hidden");
        let expected = Reason::Part { key: "Endpoint", reason: Box::new(Reason::NotANamespace) };
        assert_eq!(reason(&value), expected, "{endpoint}");
    }
}

#[test]
fn the_hub_has_one_name() {
    let with_entity = format!("{HUB_STRING};EntityPath=Hub-1");
    let named = |name| read_changed(&[], &[("EVENT_HUB_CONNECTION", &with_entity), ("EVENT_HUB_NAME", name)]);
    assert_eq!(named("hub-1").unwrap().hub.name, "hub-1");
    let errors = named("hub-2").unwrap_err();
    assert!(matches!(&errors.errors()[0].reason, Reason::TwoHubs { .. }), "{errors}");
    let errors = reasons(&["EVENT_HUB_NAME"], &[]);
    assert!(
        matches!(&errors[..], [(name, Reason::Missing { .. })] if name == "EVENT_HUB_NAME"),
        "{errors:?}"
    );
}

#[test]
fn a_namespace_must_be_a_host_name() {
    let reason = |value: &str| {
        let setting = "EVENT_HUB_CONNECTION__fullyQualifiedNamespace";
        reasons(&["EVENT_HUB_CONNECTION"], &[(setting, value)]).remove(0).1
    };
    for value in ["sb://contoso.servicebus.windows.net", "a.net/b", "me@a.net", "a b", "a.net?x", "[::1"] {
        assert_eq!(reason(value), Reason::NotANamespace, "{value}");
    }
    for value in ["a.net:0", "a.net:65536", "a.net:"] {
        assert!(matches!(reason(value), Reason::WrongPort | Reason::NotANamespace), "{value}");
    }
    assert_eq!(reason("cöntoso.net"), Reason::NotAscii);
}
