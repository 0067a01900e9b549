//! Which limit holds.

use http::Request;
use ziggurat_core::overrides::{StreamIdleTimeout, StreamTimeout, StreamTotalTimeout, Timeout};
use ziggurat_stream_timeout::{Limit, StreamTimeoutLayer};

use crate::support::{
    Service, TEXT, answering, ask, body, elapsed, events, limit, read, seconds, streaming, with,
};

/// The limits that a request sets, in seconds: zero is none.
#[derive(Default)]
struct Asks {
    stream: Option<u64>,
    plain: Option<u64>,
    idle: Option<u64>,
    total: Option<u64>,
}

impl Asks {
    fn request(&self) -> Request<()> {
        let mut request = streaming();
        if let Some(limit) = self.stream {
            request = with(request, StreamTimeout(seconds(limit)));
        }
        if let Some(limit) = self.plain {
            request = with(request, Timeout(seconds(limit)));
        }
        if let Some(limit) = self.idle {
            request = with(request, StreamIdleTimeout(seconds(limit)));
        }
        if let Some(limit) = self.total {
            request = with(request, StreamTotalTimeout(seconds(limit)));
        }
        request
    }
}

/// Returns the limit that cuts a call that never answers, one that falls silent, and one that goes on for ever.
async fn limits(layer: StreamTimeoutLayer, asks: Asks) -> [(Limit, u64); 3] {
    let never = Service::new().ok(events(body())).never();
    let first = ask(layer, &never, asks.request()).await.unwrap_err();
    let silent = answering(body().data(TEXT).hang());
    let endless = (0..100).fold(body().data(TEXT), |body, _| {
        body.wait(seconds(1)).data(TEXT)
    });
    let mut cut = [elapsed(&first); 3];
    for (service, cut) in [silent, answering(endless.hang())]
        .iter()
        .zip(&mut cut[1..])
    {
        let response = ask(layer, service, asks.request()).await.unwrap();
        *cut = elapsed(&read(response.into_body()).await.1.unwrap());
    }
    cut
}

/// Where no total is in force, the endless stream falls silent after 100 seconds.
fn layer() -> StreamTimeoutLayer {
    limit(10).idle(seconds(20))
}

use Limit::{First, Idle, Total};

#[tokio::test(start_paused = true)]
async fn configured() {
    let none = Asks::default;
    assert_eq!(
        limits(limit(10), none()).await,
        [(First, 10), (Idle, 10), (Idle, 10)]
    );
    assert_eq!(
        limits(layer(), none()).await,
        [(First, 10), (Idle, 20), (Idle, 20)]
    );
    let total = layer().total(seconds(30));
    assert_eq!(
        limits(total, none()).await,
        [(First, 10), (Idle, 20), (Total, 30)]
    );
    let total = layer().total(seconds(5));
    assert_eq!(
        limits(total, none()).await,
        [(Total, 5), (Total, 5), (Total, 5)]
    );
}

#[tokio::test(start_paused = true)]
async fn r96_what_the_request_asks_for_beats_what_is_configured() {
    for limit in [3, 40] {
        let stream = Some(limit);
        let asks = Asks {
            stream,
            ..Asks::default()
        };
        // It is the limit of silences as well, as if configured.
        assert_eq!(
            limits(layer(), asks).await,
            [(First, limit), (Idle, limit), (Idle, limit)]
        );
        let idle = Some(limit);
        let asks = Asks {
            idle,
            ..Asks::default()
        };
        assert_eq!(
            limits(layer(), asks).await,
            [(First, 10), (Idle, limit), (Idle, limit)]
        );
    }
    let asks = Asks {
        total: Some(60),
        ..Asks::default()
    };
    let total = layer().total(seconds(30));
    assert_eq!(
        limits(total, asks).await,
        [(First, 10), (Idle, 20), (Total, 60)]
    );
    let asks = Asks {
        stream: Some(3),
        idle: Some(7),
        ..Asks::default()
    };
    assert_eq!(
        limits(layer(), asks).await,
        [(First, 3), (Idle, 7), (Idle, 7)]
    );
}

#[tokio::test(start_paused = true)]
async fn r96_of_the_two_that_a_request_can_set_the_smaller_holds() {
    let asks = |stream, plain| Asks {
        stream: Some(stream),
        plain: Some(plain),
        ..Asks::default()
    };
    assert_eq!(
        limits(layer(), asks(3, 60)).await,
        [(First, 3), (Idle, 3), (Total, 60)]
    );
    assert_eq!(
        limits(layer(), asks(40, 4)).await,
        [(First, 4), (Total, 4), (Total, 4)]
    );
}

#[tokio::test(start_paused = true)]
async fn r101_a_timeout_of_the_request_is_a_total_and_no_limit_of_silences() {
    let asks = |plain| Asks {
        plain: Some(plain),
        ..Asks::default()
    };
    assert_eq!(
        limits(layer(), asks(60)).await,
        [(First, 60), (Idle, 20), (Total, 60)]
    );
    // A total of its own holds if it is smaller.
    for (total, holds) in [(50, 50), (70, 60)] {
        let asks = Asks {
            total: Some(total),
            ..asks(60)
        };
        let cut = limits(layer(), asks).await;
        assert_eq!(cut[2], (Total, holds));
    }
    let configured = layer().total(seconds(30));
    assert_eq!(limits(configured, asks(60)).await[2], (Total, 60));
}

#[tokio::test(start_paused = true)]
async fn r97_zero_is_not_set() {
    let zero = Some(0);
    let asks = Asks {
        stream: zero,
        plain: zero,
        idle: zero,
        total: zero,
    };
    let total = layer().total(seconds(30));
    assert_eq!(
        limits(total, asks).await,
        [(First, 10), (Idle, 20), (Total, 30)]
    );
}
