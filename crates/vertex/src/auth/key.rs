//! The keys of service accounts.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use serde_json::json;
use ziggurat_core::{Failure, FailureKind};

use super::{Granted, SCOPE, fetch::Fetcher};
use crate::ConfigError;

/// How long an assertion is good, in seconds: the most that Google takes.
const VALIDITY: u64 = 3600;

/// A service account, with its key.
pub(crate) struct ServiceAccount {
    pub(super) email: String,
    pub(super) key_id: Option<String>,
    pub(super) key: RsaKeyPair,
    pub(super) token_uri: String,
}

// === impl ServiceAccount ===

impl ServiceAccount {
    pub(super) async fn grant(&self, fetcher: &Fetcher) -> Result<Granted, Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let assertion = self.assertion(now.unwrap_or_default().as_secs())?;
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", &assertion),
        ];
        fetcher.exchange(&self.token_uri, &form).await
    }

    /// A signed statement of who asks.
    fn assertion(&self, now: u64) -> Result<String, Failure> {
        let mut header = json!({"typ": "JWT", "alg": "RS256"});
        if let Some(key_id) = &self.key_id {
            header["kid"] = json!(key_id);
        }
        let claims = json!({
            "iss": self.email,
            "aud": self.token_uri,
            "iat": now,
            "exp": now + VALIDITY,
            "scope": SCOPE,
        });
        let [header, claims] =
            [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let mut assertion = format!("{header}.{claims}");
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                assertion.as_bytes(),
                &mut signature,
            )
            .map_err(|_| {
                Failure::new(FailureKind::Other)
                    .with_message("the key of the service account does not sign")
            })?;
        assertion.push('.');
        assertion.push_str(&URL_SAFE_NO_PAD.encode(signature));
        Ok(assertion)
    }
}

/// Reads a private key in PEM, as Google hands it out: PKCS#8, or PKCS#1 from older tools.
pub(super) fn parse(pem: &str) -> Result<RsaKeyPair, ConfigError> {
    let problem = |text: &str| ConfigError::new("vertex_credentials", text);
    let inside = |label: &str| -> Option<Vec<u8>> {
        let begin = format!("-----BEGIN {label}-----");
        let end = format!("-----END {label}-----");
        let (_, rest) = pem.split_once(&begin)?;
        let (inside, _) = rest.split_once(&end)?;
        // A key from an environment variable often has its line breaks written out.
        let inside = inside.replace("\\n", "");
        let digits: String = inside.split_whitespace().collect();
        STANDARD.decode(digits).ok()
    };
    let key = match (inside("PRIVATE KEY"), inside("RSA PRIVATE KEY")) {
        (Some(der), _) => RsaKeyPair::from_pkcs8(&der),
        (None, Some(der)) => RsaKeyPair::from_der(&der),
        (None, None) => return Err(problem("private_key is not a key in PEM")),
    };
    key.map_err(|_| problem("private_key is not an RSA key of 2048 to 4096 bits"))
}
