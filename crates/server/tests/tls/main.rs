//! TLS on a real socket, with a certificate that is replaced.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{fs, net::SocketAddr, path::PathBuf, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
    time::{Duration, Instant},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use ziggurat::{Gateway, config::Config};
use ziggurat_server::{Options, ReloadError, Server, StartError, TlsError, TlsFiles};

const FIRST: [&str; 2] = [include_str!("first.pem"), include_str!("first.key.pem")];
const SECOND: [&str; 2] = [include_str!("second.pem"), include_str!("second.key.pem")];

/// Files of a certificate in a directory of their own.
struct Files {
    directory: PathBuf,
    files: TlsFiles,
}

impl Files {
    fn new(name: &str) -> Self {
        let name = format!("ziggurat-tls-{}-{name}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).unwrap();
        let files = TlsFiles {
            certificate: directory.join("chain.pem"),
            key: directory.join("key.pem"),
        };
        Self { directory, files }
    }

    fn write(&self, [certificate, key]: [&str; 2]) {
        fs::write(&self.files.certificate, certificate).unwrap();
        fs::write(&self.files.key, key).unwrap();
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // Gone with the directory of temporary files at the latest.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn config() -> Config {
    let yaml = "model_list: [{model_name: a, litellm_params: {model: openai/b, api_base: 'http://127.0.0.1:9'}}]";
    let loader = Gateway::loader(|_| None);
    loader.from_str(yaml, "test.yaml").unwrap()
}

fn options(files: &Files) -> Options {
    let mut options = Options::default();
    options.port = 0;
    options.tls = Some(files.files.clone());
    options
}

/// A client that trusts one certificate and offers protocols.
async fn connect(
    address: SocketAddr,
    [certificate, _]: [&str; 2],
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    roots.add(certificate).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|it| it.to_vec()).collect();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

async fn ask(stream: &mut TlsStream<TcpStream>) -> String {
    let request = "GET /health/liveness HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"alive!\"") {
        let read = stream.read_buf(&mut answer).await.unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&answer));
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_reload_brings_the_certificate_that_lies_there_now() {
    let files = Files::new("reload");
    files.write(FIRST);
    let server = Server::bind(&config(), &options(&files)).await.unwrap();
    assert!(server.to_string().starts_with("listening on https://127."));
    let (address, handle, stop) = (server.address(), server.handle(), Arc::new(Notify::new()));
    let stopped = Arc::clone(&stop);
    let running = tokio::spawn(server.run(async move { stopped.notified().await }));

    let mut open = connect(address, FIRST, &[b"http/1.1"]).await.unwrap();
    assert!(ask(&mut open).await.starts_with("HTTP/1.1 200"));
    let both = connect(address, FIRST, &[b"http/1.1", b"h2"])
        .await
        .unwrap();
    assert_eq!(both.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    assert!(connect(address, SECOND, &[]).await.is_err());

    // A key of another certificate is refused, and the old pair stays.
    files.write([SECOND[0], FIRST[1]]);
    let error = handle.reload(config()).await.unwrap_err();
    assert!(
        matches!(error, ReloadError::Tls(TlsError::Pair { .. })),
        "{error}"
    );
    assert!(connect(address, FIRST, &[]).await.is_ok());

    files.write(SECOND);
    handle.reload(config()).await.unwrap();
    assert!(connect(address, FIRST, &[]).await.is_err());
    let mut new = connect(address, SECOND, &[]).await.unwrap();
    ask(&mut new).await;
    ask(&mut open).await;
    drop((both, new, open));
    stop.notify_one();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn files_that_hold_no_certificate_are_named() {
    let files = Files::new("wrong");
    let cases = [
        (None, "chain.pem"),
        (Some(["", FIRST[1]]), "chain.pem"),
        (Some([FIRST[0], FIRST[0]]), "key.pem"),
        (
            Some([FIRST[0], "-----BEGIN PRIVATE KEY-----\nc2VjcmV0"]),
            "key.pem",
        ),
    ];
    for (texts, name) in cases {
        if let Some(texts) = texts {
            files.write(texts);
        }
        let error = Server::bind(&config(), &options(&files)).await.unwrap_err();
        assert!(matches!(error, StartError::Tls(TlsError::File { .. })));
        let text = format!("{error}: {}", std::error::Error::source(&error).unwrap());
        assert!(text.contains(name) && !text.contains("c2VjcmV0"), "{text}");
    }
}

/// Whoever begins to shake hands and does not go on is not waited for.
#[tokio::test(start_paused = true)]
async fn a_handshake_that_hangs_ends() {
    let files = Files::new("hangs");
    files.write(FIRST);
    let mut options = Options::default();
    (options.port, options.host) = (0, Some("127.0.0.1".to_owned()));
    options.tls = Some(files.files.clone());
    let server = Server::bind(&config(), &options).await.unwrap();
    let address = server.address();
    tokio::spawn(server.run(std::future::pending()));
    // Nothing, and the beginning of a handshake's record.
    for begin in [&[][..], &[0x16, 3, 1, 2, 0, 1]] {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(begin).await.unwrap();
        let began = tokio::time::Instant::now();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        let took = began.elapsed();
        assert!((10..12).contains(&took.as_secs()), "{begin:?}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_shakes_hands_delays_the_end_by_a_second() {
    let files = Files::new("drain");
    files.write(FIRST);
    let server = Server::bind(&config(), &options(&files)).await.unwrap();
    let (address, stop) = (server.address(), Arc::new(Notify::new()));
    let stopped = Arc::clone(&stop);
    let running = tokio::spawn(server.run(async move { stopped.notified().await }));
    let mut silent = TcpStream::connect(address).await.unwrap();
    silent.write_all(b"\x16\x03\x01").await.unwrap();
    let began = Instant::now();
    stop.notify_one();
    running.await.unwrap().unwrap();
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(1), "{took:?}");
    assert!(took < Duration::from_millis(1500), "{took:?}");
}

/// With something unread the connection would be reset, and the answer lost.
#[tokio::test]
async fn a_refusal_reaches_whoever_reads_after_the_upload() {
    const LENGTH: usize = 8 << 20;
    let files = Files::new("refused");
    files.write(FIRST);
    let server = Server::bind(&config(), &options(&files)).await.unwrap();
    let address = server.address();
    tokio::spawn(server.run(std::future::pending()));
    let mut client = connect(address, FIRST, &[b"http/1.1"]).await.unwrap();
    let head = format!("POST /nowhere HTTP/1.1\r\nhost: h\r\ncontent-length: {LENGTH}\r\n\r\n");
    client.write_all(head.as_bytes()).await.unwrap();
    client.write_all(&vec![b'x'; LENGTH]).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    assert!(answer.ends_with("}}"), "{answer}");
}
