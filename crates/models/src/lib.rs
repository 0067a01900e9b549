#![doc = include_str!("../README.md")]

mod facts;
mod hosts;
mod provider;
mod resolve;
mod series;
mod table;

pub use facts::{Mode, ModelFacts, facts};
pub use provider::Provider;
pub use resolve::{UnknownProvider, resolve};
pub use series::{
    is_gpt5, is_o_series, is_reasoning_model, supports_developer_role, supports_system_messages,
};
pub use table::{InputWindow, Table, TableError};
