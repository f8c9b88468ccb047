//! The tools themselves: when one of these fails, what is missing is on the machine and not in Claviger.

use claviger_e2e::{Browser, Database, ReferenceApp, binary, dump};

#[tokio::test]
async fn chromium_shows_the_reference_app() {
    let mut app = ReferenceApp::reserve();
    app.start_with("http://127.0.0.1:1");
    let browser = Browser::start().await;
    browser.open(&app.url()).await;
    assert!(
        browser.text().await.contains("reference implementation"),
        "{}",
        browser.text().await
    );
}

#[test]
fn postgresql_gives_every_test_an_empty_database() {
    let (one, other) = (Database::postgres(), Database::postgres());
    assert_ne!(one.dsn(), other.dsn());
    assert_eq!(dump::rows(&one), 0);
}

#[test]
fn the_program_is_there() {
    let help = binary::run(&["help"]).success();
    assert!(help.contains("serve"), "{help}");
}
