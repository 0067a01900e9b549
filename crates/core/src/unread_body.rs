/// The body of the request was not read to its end: by HTTP/1 the connection cannot be used again.
///
/// A response extension. Put by whoever answers, read by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnreadBody;
