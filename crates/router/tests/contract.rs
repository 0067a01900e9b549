//! The contract of every layer, over a router of one group.

use tower::Layer;
use ziggurat_core::ModelGroup;
use ziggurat_router::Router;
use ziggurat_testing::contract;

struct OneGroup;

impl<S> Layer<S> for OneGroup {
    type Service = Router<S>;

    fn layer(&self, inner: S) -> Router<S> {
        Router::new([("gpt", inner)]).with_alias("smart", "gpt")
    }
}

#[tokio::test(start_paused = true)]
async fn it_holds_for_a_group_and_for_an_alias() {
    for name in ["gpt", "smart"] {
        let mut request = contract::request();
        request.extensions_mut().insert(ModelGroup::from(name));
        contract::all(&OneGroup, &request).await;
        contract::wire(&OneGroup, &request).await;
    }
}
