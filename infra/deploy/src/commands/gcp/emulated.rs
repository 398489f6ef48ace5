use super::*;
fn no<T>() -> Result<T, Failure> { Err(anyhow!("later").into()) }
pub(super) async fn plan(_s: &Site, _p: &Progress) -> Result<Vec<Step>, Failure> { no() }
pub(super) async fn deploy(_s: &Site, _a: &args::Deploy, _p: &Progress) -> Result<Outputs, Failure> { no() }
pub(super) async fn drift(_s: &Site) -> Result<Vec<Change>, Failure> { no() }
pub(super) async fn outputs(_s: &Site) -> Result<Outputs, Failure> { no() }
pub(super) async fn destroy(_s: &Site, _p: &Progress) -> Result<Destroyed, Failure> { no() }
pub(super) async fn fill(_s: &Site, _x: &mut CloudStatus) -> Result<(), Failure> { Ok(()) }
