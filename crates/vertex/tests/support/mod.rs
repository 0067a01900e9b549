//! A token server, and a service account that it knows.

#![allow(dead_code, unreachable_pub, reason = "not every test needs all of it")]

pub mod request;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Response;
use percent_encoding::percent_decode_str;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};
use ziggurat_testing::mock::{Hit, Running, Script, Step, Upstream};

/// A key that is used for nothing else.
pub const KEY: &str = include_str!("../keys/throwaway.pem");
const PUBLIC: &[u8] = include_bytes!("../keys/throwaway.pub.der");

pub struct TokenServer {
    running: Running,
}

/// A service account whose tokens come from a URL.
pub fn account(token_uri: &str) -> String {
    json!({
        "type": "service_account",
        "project_id": "sa-project",
        "private_key_id": "kid-1",
        "private_key": KEY,
        "client_email": "svc@sa-project.iam.gserviceaccount.com",
        "token_uri": token_uri,
    })
    .to_string()
}

/// Answers with JSON.
pub fn respond(status: u16, body: &Value) -> Step {
    let response = Response::builder()
        .status(status)
        .header("content-type", "application/json");
    Step::respond(response.body(body.to_string()).unwrap())
}

/// A token as Google's servers give it.
pub fn token(text: &str, seconds: u64) -> Value {
    json!({"access_token": text, "expires_in": seconds, "token_type": "Bearer"})
}

/// The fields of a form.
pub fn form(hit: &Hit) -> Value {
    let text = std::str::from_utf8(hit.body()).unwrap();
    let pairs = text.split('&').map(|pair| {
        let (name, value) = pair.split_once('=').unwrap();
        let value = percent_decode_str(value).decode_utf8().unwrap();
        (name.to_owned(), Value::from(value.into_owned()))
    });
    Value::Object(pairs.collect())
}

impl TokenServer {
    pub async fn start() -> Self {
        Self::playing(respond(200, &token("ya29.fake-token", 3599))).await
    }

    pub async fn refusing() -> Self {
        let body = json!({"error": "invalid_grant", "error_description": "Invalid JWT Signature."});
        Self::playing(respond(400, &body)).await
    }

    pub async fn playing(script: impl Into<Script>) -> Self {
        let running = Upstream::new("tokens")
            .script(script)
            .start()
            .await
            .unwrap();
        Self { running }
    }

    pub fn url(&self) -> String {
        format!("{}/token", self.running.url())
    }

    pub fn origin(&self) -> String {
        self.running.url()
    }

    pub fn hits(&self) -> Vec<Hit> {
        self.running.hits()
    }

    /// Checks that it was asked as Google's servers want it, with a signature that is good.
    pub fn check_assertions(&self) {
        let hits = self.hits();
        assert!(!hits.is_empty(), "nobody asked for a token");
        for hit in hits {
            let form = form(&hit);
            let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
            assert_eq!(form["grant_type"], grant);
            let assertion = form["assertion"].as_str().unwrap();
            let (signed, signature) = assertion.rsplit_once('.').unwrap();
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, PUBLIC)
                .verify(signed.as_bytes(), &signature)
                .unwrap();
            let parts = signed.split('.').map(|part| {
                let part = URL_SAFE_NO_PAD.decode(part).unwrap();
                serde_json::from_slice::<Value>(&part).unwrap()
            });
            let [header, mut claims] = <[Value; 2]>::try_from(parts.collect::<Vec<_>>()).unwrap();
            assert_eq!(
                header,
                json!({"typ": "JWT", "alg": "RS256", "kid": "kid-1"})
            );
            let times = claims.as_object_mut().unwrap();
            let issued = times.remove("iat").unwrap().as_u64().unwrap();
            let expires = times.remove("exp").unwrap().as_u64().unwrap();
            assert_eq!(expires, issued + 3600);
            let wanted = json!({
                "iss": "svc@sa-project.iam.gserviceaccount.com",
                "aud": self.url(),
                "scope": "https://www.googleapis.com/auth/cloud-platform",
            });
            assert_eq!(claims, wanted);
        }
    }
}
