use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
#[derive(Clone, Copy, Debug)]
pub enum Lateness {
    None,
    Quick,
    Realistic,
}
pub struct Options {
    pub dir: PathBuf,
    pub lateness: Option<Lateness>,
    pub listen: Option<SocketAddr>,
    pub wait: Duration,
}
pub struct Access {
    pub proxy: String,
    pub ca: PathBuf,
    pub tenant: String,
    pub client_id: String,
    pub client_secret: String,
    pub subscription: String,
    pub kubeconfig: PathBuf,
}
#[derive(Debug, thiserror::Error)]
#[error("stub")]
pub struct Error;
pub struct Sandbox;
impl Sandbox {
    pub fn access(&self) -> &Access {
        unimplemented!()
    }
    pub async fn close(self) {}
}
pub async fn open(_: Options) -> Result<Sandbox, Error> {
    Err(Error)
}
pub async fn serve(_: Options, _: Option<PathBuf>, _: impl Future<Output = ()> + Send, _: impl FnOnce(&Access)) -> Result<(), Error> {
    Err(Error)
}
pub async fn reset(_: &Path) -> Result<(), Error> {
    Err(Error)
}
pub async fn export(_: &Path) -> Result<serde_json::Value, Error> {
    Err(Error)
}
pub async fn access(_: &Path) -> Result<Access, Error> {
    Err(Error)
}
