//! Three deployments of one group, and two groups to fall back on.

use ziggurat_testing::mock::{Running, Script, Step};

use crate::support::{Proxy, upstream};

const ZEPHYR: &str = r#"
model_list:
- model_name: zephyr-beta
  litellm_params:
    model: huggingface/HuggingFaceH4/zephyr-7b-beta
    api_base: os.environ/Z1
- model_name: zephyr-beta
  litellm_params:
    model: huggingface/HuggingFaceH4/zephyr-7b-beta
    api_base: os.environ/Z2
- model_name: zephyr-beta
  litellm_params:
    model: huggingface/HuggingFaceH4/zephyr-7b-beta
    api_base: os.environ/Z3
- model_name: gpt-3.5-turbo
  litellm_params:
    model: gpt-3.5-turbo
    api_base: os.environ/GPT
    api_key: my-openai-key
- model_name: gpt-3.5-turbo-16k
  litellm_params:
    model: gpt-3.5-turbo-16k
    api_base: os.environ/GPT16K
    api_key: my-openai-key
"#;

pub(crate) const SETTINGS: &str = r#"
litellm_settings:
  num_retries: 3
  request_timeout: 10
  fallbacks: [{"zephyr-beta": ["gpt-3.5-turbo"]}]
  context_window_fallbacks: [{"zephyr-beta": ["gpt-3.5-turbo-16k"]}, {"gpt-3.5-turbo": ["gpt-3.5-turbo-16k"]}]
  allowed_fails: 3
"#;

pub(crate) struct Zephyrs {
    pub(crate) proxy: Proxy,
    pub(crate) zephyrs: [Running; 3],
    pub(crate) gpt: Running,
    pub(crate) gpt16k: Running,
}

pub(crate) async fn zephyrs(settings: &str, zephyr: Step) -> Zephyrs {
    let zephyrs = [
        upstream("z1", [zephyr.clone()]).await,
        upstream("z2", [zephyr.clone()]).await,
        upstream("z3", [zephyr]).await,
    ];
    let (gpt, gpt16k) = (
        upstream("gpt", Script::default()).await,
        upstream("gpt16k", Script::default()).await,
    );
    let [z1, z2, z3] = zephyrs.each_ref().map(Running::url);
    let environment = [
        ("Z1", z1),
        ("Z2", z2),
        ("Z3", z3),
        ("GPT", gpt.url()),
        ("GPT16K", gpt16k.url()),
    ];
    let proxy = Proxy::start(&format!("{ZEPHYR}{settings}"), &environment).await;
    Zephyrs {
        proxy,
        zephyrs,
        gpt,
        gpt16k,
    }
}

impl Zephyrs {
    pub(crate) fn tried(&self) -> [u64; 3] {
        self.zephyrs.each_ref().map(Running::count)
    }
}
