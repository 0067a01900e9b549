//! A layer whose service is not `Sync` is put through the contract.

use std::{cell::Cell, marker::PhantomData};

use tower::{Layer, Service};
use ziggurat_testing::contract;

#[cfg(broken)]
type Marker = PhantomData<Cell<u8>>;
#[cfg(not(broken))]
type Marker = PhantomData<fn(Cell<u8>)>;

struct Mine;

#[derive(Clone)]
struct MineService<S>(S, Marker);

impl<S> Layer<S> for Mine {
    type Service = MineService<S>;

    fn layer(&self, inner: S) -> MineService<S> {
        MineService(inner, PhantomData)
    }
}

impl<S: Service<Req>, Req> Service<Req> for MineService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> S::Future {
        self.0.call(request)
    }
}

fn main() {
    drop(contract::all(&Mine, &contract::request()));
}
