/// Whether a deployment is resting after failures.
#[derive(Debug, Default)]
pub struct Cooling {}
