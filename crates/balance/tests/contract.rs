//! What every service of this family keeps to.

use tower_layer::Layer;
use ziggurat_balance::{Balance, Endpoint, Shuffle};
use ziggurat_testing::contract;

/// Balances between clones of a service.
#[derive(Clone, Debug)]
struct Copies(usize);

impl<S: Clone> Layer<S> for Copies {
    type Service = Balance<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let endpoint = |n: usize| Endpoint::new(n.to_string(), inner.clone());
        Balance::with_policy((0..self.0).map(endpoint), Shuffle::seeded(7))
    }
}

#[tokio::test(start_paused = true)]
async fn balance_keeps_the_contract() {
    for copies in [1, 2, 100] {
        contract::all(&Copies(copies), &contract::request()).await;
        contract::admission(&Copies(copies), &contract::request()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn balance_keeps_the_contract_with_a_ledger() {
    let mut request = contract::request();
    request.extensions_mut().insert(ziggurat_core::Tried::new());
    contract::all(&Copies(3), &request).await;
}
