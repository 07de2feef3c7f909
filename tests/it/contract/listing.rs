//! The contract of a blob listing: on the twin and on Azurite.

use crate::contract::blobs::Commits;
use crate::support::blobs::container;
use crate::support::memory::MemoryBlobs;
use crate::support::rig::Rig;
use flowlog_forwarder::flow_log::{Container, FlowLogBlob};
use flowlog_forwarder::ports::blobs::{BlobListing, Depth, LARGEST_PAGE, ListError, Listed, Names, Page};

/// All pages of a listing, with at most `at_most` names each, and their number.
async fn all(
    listing: &impl BlobListing,
    container: &Container,
    prefix: &str,
    depth: Depth,
    at_most: u32,
) -> (Page, u32) {
    let (mut whole, mut pages, mut marker) = (Page::default(), 0, None::<String>);
    loop {
        let names = Names { prefix, depth, marker: marker.as_deref(), at_most };
        let page = listing.list(container, names).await.unwrap();
        assert!(page.folders.len() + page.blobs.len() <= at_most as usize);
        whole.folders.extend(page.folders);
        whole.blobs.extend(page.blobs);
        pages += 1;
        marker = page.next;
        if marker.is_none() {
            return (whole, pages);
        }
    }
}

/// `root` is a prefix that no other test uses.
async fn a_listing_shows_names_versions_and_folders_page_by_page(
    listing: &impl BlobListing,
    commits: &impl Commits,
    container: &Container,
    root: &str,
) {
    let nowhere = Container::new(container.account().clone(), "no-such-container".to_owned());
    let names = Names { prefix: "", depth: Depth::All, marker: None, at_most: LARGEST_PAGE };
    let missing = listing.list(&nowhere, names).await.unwrap_err();
    assert_eq!(missing, ListError::NoContainer { container: nowhere.to_string() });

    let blob = |watcher: &str, hour: u32, nic: u32| -> FlowLogBlob {
        let name =
            format!("{root}{watcher}/y=2026/m=11/d=22/h={hour:02}/m=00/macAddress=6045BD{nic:06X}/PT1H.json");
        container.blob(&name).unwrap()
    };
    let mut listed = Vec::new();
    for (hour, nic) in [(8, 1), (9, 1), (9, 2), (9, 3)] {
        let (blob, content) = (blob("W & Co", hour, nic), vec![b' '; 10 + nic as usize]);
        let etag = commits.commit(&blob, &content).await;
        listed.push((blob.name().to_owned(), etag, content.len() as u64));
    }
    commits.commit(&blob("X", 9, 1), b"x").await;

    let folder = format!("{root}W & Co/y=2026/m=11/d=22/h=09/");
    for (at_most, expected_pages) in [(LARGEST_PAGE, 1), (2, 2), (1, 3)] {
        let (page, pages) = all(listing, container, &folder, Depth::All, at_most).await;
        assert!(
            page.blobs.iter().all(|blob| blob.modified.is_some()),
            "storage names the time of each commit"
        );
        let shown = page.blobs.into_iter().map(|Listed { name, etag, length, .. }| (name, etag, length));
        assert_eq!(shown.collect::<Vec<_>>(), listed[1..]);
        assert_eq!((page.folders.len(), pages), (0, expected_pages));
    }
    let etag = commits.commit(&blob("W & Co", 9, 3), b"grown").await;
    let (page, _) = all(listing, container, &folder, Depth::All, LARGEST_PAGE).await;
    assert_eq!((page.blobs[2].etag.as_str(), page.blobs[2].length), (etag.as_str(), 5));

    for at_most in [LARGEST_PAGE, 1] {
        let (page, _) = all(listing, container, root, Depth::Children, at_most).await;
        assert_eq!((page.folders, page.blobs), (vec![format!("{root}W & Co/"), format!("{root}X/")], vec![]));
    }
    let day = format!("{root}W & Co/y=2026/m=11/d=22/");
    let (page, _) = all(listing, container, &day, Depth::Children, LARGEST_PAGE).await;
    assert_eq!(page.folders, [format!("{day}h=08/"), format!("{day}h=09/")]);
    let (page, _) = all(listing, container, &format!("{root}nothing"), Depth::All, LARGEST_PAGE).await;
    assert_eq!(page, Page::default());
}

#[tokio::test]
async fn memory_shows_names_versions_and_folders_page_by_page() {
    let blobs = MemoryBlobs::default();
    let container = container();
    let root = "flowLogResourceID=/R/";
    a_listing_shows_names_versions_and_folders_page_by_page(&blobs, &blobs, &container, root).await;
}

#[tokio::test]
async fn azure_storage_shows_names_versions_and_folders_page_by_page() {
    let rig = Rig::start().await;
    let container = Container::new(rig.blob(1).account().clone(), rig.blob(1).container().to_owned());
    let root = format!("flowLogResourceID=/{}/", rig.hub());
    a_listing_shows_names_versions_and_folders_page_by_page(&rig.blobs(), &rig, &container, &root).await;
}
