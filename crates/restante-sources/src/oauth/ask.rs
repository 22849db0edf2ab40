//! Requests to an issuer: bounded in size, time and number; redirects are not followed.

use std::sync::Arc;
use std::time::Duration;

use restante_auth::directory::Problem;
use tokio::sync::Semaphore;
use ureq::http::HeaderValue;
use ureq::http::Response;
use ureq::{Agent, Body};
use zeroize::Zeroizing;

use crate::http;

/// How an issuer is asked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The authorities of its certificate, PEM; `None` for those that this machine trusts.
    pub authorities: Option<Vec<u8>>,
    /// So many questions are asked at the same time, each on a thread.
    pub parallel_max: usize,
    /// The longest wait for one answer, with all that it takes.
    pub timeout: Duration,
}

/// Asks.
#[derive(Clone)]
pub(super) struct Asker {
    agent: Agent,
    places: Arc<Semaphore>,
    timeout: Duration,
}

/// An answer, whatever its status.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// A question about a token.
pub(super) struct Form {
    /// Who asks. Marked as a secret, so that nothing shows it.
    pub(super) authorization: HeaderValue,
    pub(super) token: Zeroizing<String>,
}

impl Asker {
    /// # Errors
    /// The authorities cannot be used.
    pub(super) fn new(settings: &Settings) -> Result<Self, Problem> {
        let Settings { authorities, parallel_max, timeout } = settings;
        Ok(Self {
            agent: http::agent(authorities.as_deref(), *timeout, *parallel_max)?,
            places: Arc::new(Semaphore::new((*parallel_max).max(1))),
            timeout: *timeout,
        })
    }

    /// A document. What is wrong is said in words that hold neither question nor answer.
    pub(super) async fn get(&self, address: &str) -> Result<Answer, String> {
        let address = address.to_owned();
        self.run(move |agent| agent.get(&address).header("Accept", "application/json").call()).await
    }

    /// The answer to a form (RFC 7662 section 2.1).
    pub(super) async fn post(&self, address: &str, form: Form) -> Result<Answer, String> {
        let address = address.to_owned();
        self.run(move |agent| {
            let request = agent.post(&address).header("Accept", "application/json");
            let request = request.header("Authorization", form.authorization);
            request.send_form([("token", form.token.as_str()), ("token_type_hint", "access_token")])
        })
        .await
    }

    async fn run(
        &self,
        ask: impl FnOnce(&Agent) -> Result<Response<Body>, ureq::Error> + Send + 'static,
    ) -> Result<Answer, String> {
        let asked = tokio::time::timeout(self.timeout, async {
            // Never closed. Held until the thread has ended, also when nobody waits for it any more.
            let place = Arc::clone(&self.places).acquire_owned().await;
            let agent = self.agent.clone();
            let asking = tokio::task::spawn_blocking(move || {
                let _place = place;
                let mut answer = ask(&agent).map_err(|error| format!("it cannot be asked: {error}"))?;
                let status = answer.status().as_u16();
                let body = answer.body_mut().with_config().limit(ANSWER_OCTETS_MAX).read_to_vec();
                let body = body.map_err(|error| format!("its answer cannot be read: {error}"))?;
                Ok(Answer { status, body })
            });
            asking.await.unwrap_or_else(|_| Err("the thread that asks has ended".to_owned()))
        });
        asked.await.unwrap_or_else(|_| Err(format!("no answer within {} s", self.timeout.as_secs_f32())))
    }
}

/// The largest sets of keys, with certificates in them, have 30 KiB.
const ANSWER_OCTETS_MAX: u64 = 256 * 1024;
