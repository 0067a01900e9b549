//! TLS for callers, with a certificate that can be replaced while connections are open.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// What clients may speak, by ALPN, the best first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The files of a certificate, in PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate, then those that lead to its root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Why a certificate cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read, or holds nothing of its kind.
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The key does not belong to the certificate, or is of an unknown kind.
    Pair {
        /// Both files.
        files: TlsFiles,
        /// Why.
        source: rustls::Error,
    },
}

/// A certificate in use. Clones share it.
#[derive(Clone)]
pub(crate) struct Tls {
    files: TlsFiles,
    config: Arc<RwLock<Arc<ServerConfig>>>,
}

// === impl Tls ===

impl Tls {
    pub(crate) fn read(files: TlsFiles) -> Result<Self, TlsError> {
        Ok(Self {
            config: Arc::new(RwLock::new(read(&files)?)),
            files,
        })
    }

    /// Reads the files again; what it returns is to be [`put`](Self::put) in use.
    pub(crate) fn read_again(&self) -> Result<Arc<ServerConfig>, TlsError> {
        read(&self.files)
    }

    /// Uses another certificate for connections from now on.
    pub(crate) fn put(&self, config: Arc<ServerConfig>) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    pub(crate) async fn accept<I>(&self, stream: I) -> io::Result<TlsStream<I>>
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let config = {
            let config = self.config.read().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(&config)
        };
        TlsAcceptor::from(config).accept(stream).await
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tls").field(&self.files).finish()
    }
}

fn read(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = CertificateDer::pem_file_iter(&files.certificate);
    let chain: Result<Vec<_>, _> = chain.and_then(Iterator::collect);
    let chain = chain.and_then(|chain| match chain.is_empty() {
        true => Err(pem::Error::NoItemsFound),
        false => Ok(chain),
    });
    let chain = chain.map_err(|error| failed(&files.certificate, error))?;
    let key =
        PrivateKeyDer::from_pem_file(&files.key).map_err(|error| failed(&files.key, error))?;
    let pair = |source| TlsError::Pair {
        files: files.clone(),
        source,
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(pair)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(pair)?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
    Ok(Arc::new(config))
}

/// Says nothing of what a file holds: it may be the key.
fn failed(path: &Path, error: pem::Error) -> TlsError {
    let source = match error {
        pem::Error::Io(error) => error,
        pem::Error::NoItemsFound => {
            io::Error::new(io::ErrorKind::InvalidData, "nothing of its kind in PEM")
        }
        _ => io::Error::new(io::ErrorKind::InvalidData, "broken PEM"),
    };
    TlsError::File {
        path: path.to_owned(),
        source,
    }
}

// === impl TlsError ===

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, .. } => {
                write!(
                    f,
                    "cannot read a certificate or key from `{}`",
                    path.display()
                )
            }
            Self::Pair { files, .. } => write!(
                f,
                "the certificate of `{}` cannot be used with the key of `{}`",
                files.certificate.display(),
                files.key.display()
            ),
        }
    }
}

impl std::error::Error for TlsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(match self {
            Self::File { source, .. } => source,
            Self::Pair { source, .. } => source,
        })
    }
}
