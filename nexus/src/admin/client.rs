//! Calls to the admin address of a Nexus that runs, for the commands.

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use serde_json::Value as Json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::settings::Address;

/// Until a call is answered; the other side gives up earlier.
const TIMEOUT: Duration = Duration::from_secs(90);

/// A Nexus that runs, and the right to ask it.
pub struct Remote {
    /// Where it is.
    pub address: Address,
    /// The token to show.
    pub token: Option<String>,
}

/// Why a call has no result.
#[derive(Debug)]
pub enum CallError {
    /// Nobody answers there.
    Unreachable(String),
    /// It was refused, or it failed.
    Refused {
        /// The stable code.
        code: String,
        /// What was said.
        message: String,
        /// What to do.
        hint: String,
    },
}

impl Remote {
    /// Makes a call and returns its result.
    ///
    /// # Errors
    ///
    /// Says whether nobody answered or the answer was no.
    pub fn call(&self, method: &str, path: &str, body: String) -> Result<Json, CallError> {
        let unreachable = |why: String| {
            CallError::Unreachable(format!("cannot reach Nexus at {}: {why}", self.address))
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| unreachable(error.to_string()))?;
        let call = async { tokio::time::timeout(TIMEOUT, self.exchange(method, path, body)).await };
        match runtime.block_on(call) {
            Ok(Ok((status, answer))) => read(status, &answer),
            Ok(Err(why)) => Err(unreachable(why)),
            Err(_) => Err(unreachable("it does not answer".to_owned())),
        }
    }

    async fn exchange(
        &self,
        method: &str,
        path: &str,
        body: String,
    ) -> Result<(u16, Bytes), String> {
        let said = |error: std::io::Error| error.to_string();
        match &self.address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).await.map_err(said)?;
                self.send(stream, &address.to_string(), method, path, body).await
            }
            Address::Unix(file) => {
                let stream = UnixStream::connect(file).await.map_err(said)?;
                self.send(stream, "localhost", method, path, body).await
            }
        }
        .map_err(|error| error.to_string())
    }

    async fn send(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
        host: &str,
        method: &str,
        path: &str,
        body: String,
    ) -> Result<(u16, Bytes), Box<dyn std::error::Error>> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let mut request =
            Request::builder().method(method).uri(path.parse::<Uri>()?).header("Host", host);
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let request = request.body(Full::new(Bytes::from(body)))?;
        let exchange = async {
            let answer = sender.send_request(request).await?;
            let status = answer.status().as_u16();
            Ok::<_, hyper::Error>((status, answer.into_body().collect().await?.to_bytes()))
        };
        tokio::select! {
            answer = exchange => Ok(answer?),
            Err(error) = connection => Err(error.into()),
        }
    }
}

fn read(status: u16, answer: &[u8]) -> Result<Json, CallError> {
    let value: Option<Json> = serde_json::from_slice(answer).ok();
    match value {
        Some(value) if status < 300 => Ok(value),
        Some(value) if value["error"].is_object() => {
            let word = |name: &str| value["error"][name].as_str().unwrap_or_default().to_owned();
            Err(CallError::Refused {
                code: word("code"),
                message: word("message"),
                hint: word("hint"),
            })
        }
        _ => Err(CallError::Refused {
            code: "not_nexus".to_owned(),
            message: format!(
                "what answers there (status {status}) is not the admin address of a Nexus"
            ),
            hint: "check --admin".to_owned(),
        }),
    }
}
