//! Keys that several deployments have in common.

use ziggurat_bedrock::Builder;
use ziggurat_provider::HttpClient;

use crate::{
    Files, builder,
    fetched::{document, signed, xml},
    plain, upstream,
};

#[tokio::test]
async fn deployments_with_the_same_settings_fetch_once_by_one_client() {
    let files = Files::new(&[(
        ".aws/config",
        "[profile p]\nrole_arn = arn:p\nsource_profile = base\n\
         [profile base]\naws_access_key_id = AKIABASE\naws_secret_access_key = s\n",
    )]);
    let home = [("HOME", files.path(""))];
    let web = |sts: &str| {
        builder(&[])
            .aws_web_identity_token("token-of-mine")
            .aws_role_name("arn")
            .aws_sts_endpoint(sts)
    };
    let role = |sts: &str, secret: &str| {
        builder(&[])
            .aws_access_key_id("AKIABASE")
            .aws_secret_access_key(secret)
            .aws_role_name("arn")
            .aws_sts_endpoint(sts)
    };
    let profile = |sts: &str| builder(&home).aws_profile_name("p").aws_sts_endpoint(sts);
    type Make<'a> = &'a dyn Fn(&str) -> Builder;
    let same: [Make<'_>; 3] = [&web, &|sts| role(sts, "s"), &profile];
    for make in same {
        let client = HttpClient::new();
        assert_eq!(fetches(|sts| [make(sts), make(sts)], &client).await, 1);
    }
    // What differs in anything that the keys depend on is apart.
    let others: [[Make<'_>; 2]; 7] = [
        [&web, &|sts| role(sts, "s")],
        [&web, &|sts| web(sts).aws_role_name("arn:2")],
        [&web, &|sts| web(sts).aws_web_identity_token("another")],
        [&web, &|sts| web(sts).aws_session_name("another")],
        [&web, &|sts| web(sts).aws_region_name("eu-west-1")],
        [&|sts| role(sts, "s"), &|sts| role(sts, "another")],
        [&|sts| role(sts, "s"), &|sts| {
            role(sts, "s").aws_external_id("e")
        }],
    ];
    for (at, [one, two]) in others.into_iter().enumerate() {
        let client = HttpClient::new();
        assert_eq!(
            fetches(|sts| [one(sts), two(sts)], &client).await,
            2,
            "{at}"
        );
    }
    let (one, two) = (HttpClient::new(), HttpClient::new());
    let make = |sts: &str| [web(sts), web(sts)];
    assert_eq!(fetches_by(make, [&one, &two]).await, 2);
}

#[tokio::test]
async fn containers_and_machines_are_asked_once_for_all_regions() {
    let agent = upstream([plain(200, document("ASIAONE"))]).await;
    let at = |path: &str| {
        let address = format!("{}/{path}", agent.url());
        builder(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", address)])
    };
    let client = HttpClient::new();
    let dialects = [
        at("keys"),
        at("keys").aws_region_name("eu-west-1"),
        at("others"),
    ]
    .map(|builder| builder.http_client(client.clone()).build().unwrap());
    for (dialect, count) in dialects.iter().zip([1, 1, 2]) {
        assert!(signed(dialect).await.1.contains("ASIAONE"));
        assert_eq!(agent.count(), count);
    }
}

/// How often two deployments that share a client ask the token service.
async fn fetches(make: impl Fn(&str) -> [Builder; 2], client: &HttpClient) -> u64 {
    fetches_by(make, [client, client]).await
}

async fn fetches_by(make: impl Fn(&str) -> [Builder; 2], clients: [&HttpClient; 2]) -> u64 {
    let sts = upstream([plain(200, xml("ASIAONE"))]).await;
    let [one, two] = make(&sts.url());
    let one = one.http_client(clients[0].clone()).build().unwrap();
    let two = two.http_client(clients[1].clone()).build().unwrap();
    for dialect in [&one, &two] {
        assert!(signed(dialect).await.1.contains("ASIAONE"));
    }
    sts.count()
}
