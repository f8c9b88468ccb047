use claviger_core::seal::Purpose;

use super::*;

/// Five clients of two owners.
async fn five() -> Port {
    let port = Port::new().await;
    for number in 0..5 {
        let owner = if number == 2 { "else" } else { "o w" };
        let client = json!({"client_id": format!("c{number}"), "client_name": format!("n{number}"), "owner": owner,
            "token_endpoint_auth_method": "none"});
        assert_eq!(port.post(client).await.status, 201);
    }
    port
}

#[tokio::test]
async fn a_list_is_read_page_by_page() {
    let port = five().await;
    let first = port.get("/admin/clients?page_size=2").await;
    assert_eq!((first.ids(), first.header(X_TOTAL_COUNT)), (vec!["c0", "c1"], "5"));
    let second = port.get(&first.link("next").expect("more follows")).await;
    assert_eq!(second.ids(), ["c2", "c3"]);
    let third = port.get(&second.link("next").expect("more follows")).await;
    assert_eq!((third.ids(), third.link("next")), (vec!["c4"], None));
    let again = port.get(&third.link("first").expect("there is a first page")).await;
    assert_eq!(again.ids(), ["c0", "c1"]);
}

#[tokio::test]
async fn links_keep_every_parameter_in_order_on_the_path_that_was_asked() {
    let port = five().await;
    let page = port.get("/clients?page_size=2&owner=o+w").await;
    let begin = "</clients?owner=o+w&page_size=2&page_token=";
    assert!(page.header(LINK).starts_with(begin), "{}", page.header(LINK));
    assert!(
        page.header(LINK).contains(&format!(",{begin}")),
        "{}",
        page.header(LINK)
    );
    let next = port.get(&page.link("next").expect("more follows")).await;
    assert_eq!((next.ids(), next.link("next")), (vec!["c3", "c4"], None));
}

#[tokio::test]
async fn a_list_can_be_narrowed() {
    let port = five().await;
    assert_eq!(port.get("/admin/clients?owner=else").await.ids(), ["c2"]);
    assert_eq!(port.get("/admin/clients?client_name=n3").await.ids(), ["c3"]);
    assert_eq!(
        port.get("/admin/clients?client_name=n3&owner=else").await.ids(),
        Vec::<&str>::new()
    );
    let all = port.get("/admin/clients?client_name=&page_token=").await;
    assert_eq!(all.ids().len(), 5);
}

#[tokio::test]
async fn a_size_that_is_no_number_is_refused_and_others_are_bounded() {
    let port = five().await;
    for size in ["x", "1.5", "99999999999999999999"] {
        let page = port.get(&format!("/admin/clients?page_size={size}")).await;
        assert_eq!(page.refusal(), (400, MALFORMED), "{size}");
    }
    for (size, shown) in [("0", "100"), ("-1", "100"), ("501", "500"), ("5", "5")] {
        let page = port.get(&format!("/admin/clients?page_size={size}")).await;
        assert!(
            page.header(LINK).contains(&format!("page_size={shown}&")),
            "{}",
            page.header(LINK)
        );
        assert_eq!((page.ids().len(), page.link("next")), (5, None), "{size}");
    }
}

#[tokio::test]
async fn a_page_token_is_one_of_this_list_and_lasts_an_hour() {
    let port = five().await;
    let provider = &port.stage.provider;
    let token = |purpose, end: i64| {
        let plain = [&end.to_be_bytes()[..], b"c1"].concat();
        claviger_core::seal::seal_text(&provider.secrets, provider.cx().entropy, purpose, &plain)
    };
    let now = provider.cx().now.0;
    let get = async |token: String| port.get(&format!("/admin/clients?page_token={token}")).await;
    assert_eq!(
        get(token(Purpose::ClientPage, now + 3600)).await.ids(),
        ["c2", "c3", "c4"]
    );
    for refused in [
        "garbage".to_owned(),
        "%00".to_owned(),
        token(Purpose::ClientPage, now - 1),
        token(Purpose::LoginChallenge, now + 3600),
    ] {
        assert_eq!(get(refused.clone()).await.status, 400, "{refused}");
    }
    assert_eq!(get("garbage".to_owned()).await.refusal(), (400, MALFORMED));
}

#[tokio::test]
async fn hydra_1_counts_by_limit_and_offset() {
    let port = five().await;
    let link = |rel: &str, limit: u32, offset: u32| format!("</clients?limit={limit}&offset={offset}>; rel=\"{rel}\"");
    for (query, ids, links) in [
        (
            "limit=2",
            vec!["c0", "c1"],
            vec![link("next", 2, 2), link("last", 2, 4)],
        ),
        (
            "offset=1&limit=2",
            vec!["c1", "c2"],
            vec![link("next", 2, 2), link("last", 2, 4)],
        ),
        (
            "limit=2&offset=2",
            vec!["c2", "c3"],
            vec![
                link("first", 2, 0),
                link("next", 2, 4),
                link("prev", 2, 0),
                link("last", 2, 4),
            ],
        ),
        (
            "limit=2&offset=4",
            vec!["c4"],
            vec![link("first", 2, 0), link("prev", 2, 2)],
        ),
        (
            "limit=2&offset=100",
            vec![],
            vec![link("first", 2, 0), link("prev", 2, 4)],
        ),
        (
            "limit=500",
            vec!["c0", "c1", "c2", "c3", "c4"],
            vec![link("first", 5, 0)],
        ),
        ("limit=0", vec!["c0", "c1", "c2", "c3", "c4"], vec![link("first", 5, 0)]),
        (
            "limit=-1&offset=x",
            vec!["c0", "c1", "c2", "c3", "c4"],
            vec![link("first", 5, 0)],
        ),
    ] {
        let page = port.get(&format!("/clients?{query}")).await;
        assert_eq!((page.status, page.ids()), (200, ids), "{query}");
        assert_eq!(
            (page.header(LINK), page.header(X_TOTAL_COUNT)),
            (&*links.join(","), "5"),
            "{query}"
        );
    }
}
