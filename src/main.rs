//! The custom handler that the Functions host starts.

fn main() {}
