use std::{collections::HashMap, error::Error, net::SocketAddr, time::Duration};

use http::{Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use tokio::{sync::oneshot, task::JoinHandle, time::Instant};
use ziggurat::Gateway;
use ziggurat_server::{Options, Server};
use ziggurat_testing::log_if_asked;

use crate::view::View;

/// The proxy as its users start it, in this process, and a caller of it.
pub(crate) struct Proxy {
    address: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
    _stop: oneshot::Sender<()>,
    _task: JoinHandle<()>,
}

/// What goes wrong before there is anything to judge.
pub(crate) type Broken = Box<dyn Error + Send + Sync>;

impl Proxy {
    /// Starts a configuration with values for its `os.environ/…`.
    ///
    /// # Errors
    ///
    /// The configuration is not one, or there is no port.
    pub(crate) async fn start(
        yaml: &str,
        environment: HashMap<String, String>,
    ) -> Result<Self, Broken> {
        log_if_asked();
        let config = Gateway::loader(move |name| environment.get(name).cloned())
            .from_str(yaml, "wall.yaml")?;
        let mut options = Options::default();
        (options.port, options.drain) = (0, Duration::ZERO);
        options.host = Some("127.0.0.1".to_owned());
        let server = Server::bind(&config, &options).await?;
        let address = server.address();
        let (stop, stopped) = oneshot::channel::<()>();
        let run = server.run(async move { drop(stopped.await) });
        let task =
            tokio::spawn(async move { run.await.expect("the server runs until it is stopped") });
        Ok(Self {
            address,
            client: Client::builder(TokioExecutor::new()).build_http(),
            _stop: stop,
            _task: task,
        })
    }

    /// Asks a group a question, with members added to it, and reads the answer to its end.
    ///
    /// # Errors
    ///
    /// No response came.
    pub(crate) async fn ask(
        &self,
        group: &str,
        streams: bool,
        members: &Value,
    ) -> Result<View, Broken> {
        let mut body = json!({
            "model": group, "stream": streams, "messages": [{"role": "user", "content": "How does it rise?"}],
        });
        if streams {
            body["stream_options"] = json!({"include_usage": true});
        }
        for (name, value) in members.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        let request = Request::post(self.uri("/v1/chat/completions"))
            .header("content-type", "application/json")
            .body(Full::from(body.to_string()))?;
        let started = Instant::now();
        let (head, mut body) = self.client.request(request).await?.into_parts();
        let mut read = Vec::new();
        let mut broken = false;
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => read.extend(frame.into_data().unwrap_or_default()),
                Err(_) => broken = true,
            }
        }
        Ok(View {
            status: head.status.as_u16(),
            headers: head.headers,
            body: String::from_utf8(read)?,
            broken,
            took: started.elapsed(),
        })
    }

    /// Whether it says that it is alive.
    ///
    /// # Errors
    ///
    /// No response came.
    pub(crate) async fn is_alive(&self) -> Result<bool, Broken> {
        let request = Request::get(self.uri("/health/liveliness")).body(Full::default())?;
        Ok(self.client.request(request).await?.status() == 200)
    }

    fn uri(&self, path: &str) -> Uri {
        let uri = format!("http://{}{path}", self.address);
        uri.parse().expect("an address and a path are a URL")
    }
}
