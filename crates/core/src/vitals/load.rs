/// What a deployment has to do.
#[derive(Debug, Default)]
pub struct Load {}
