use super::*;
use crate::config::{self, World};

/// A world of one file.
struct File(&'static str);

impl World for File {
    fn read(&self, _: &str) -> Result<String, String> {
        Ok(self.0.to_owned())
    }

    fn list(&self, _: &str) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }

    fn env(&self, _: &str) -> Option<String> {
        None
    }
}

fn told(file: &'static str, method: &str, path: &str) -> Explanation {
    let config = config::load("nexus.yaml", &File(file)).config.expect("it has no problems");
    let snapshot = Snapshot::build(config.into_settings(), None, &std::sync::Arc::default(), 0);
    let (method, host, path) = (method.to_owned(), "a".to_owned(), path.to_owned());
    let client = "10.0.0.1".parse().unwrap();
    let question = Question { method, host, path, headers: Vec::new(), client };
    explain(&snapshot, Origin::Running, &question).unwrap()
}

#[test]
fn without_routes_there_is_one_pool_and_everybody_begins_up() {
    let told = told("backends: [http://b1:1, http://b2:1]", "GET", "/");
    assert_eq!(told.outcome, "goes to the only pool: there are no routes");
    let pool = &told.pools[0];
    assert_eq!(pool.picked, "round_robin; turn 0; 2 available");
    assert_eq!(pool.next.as_deref(), Some("http://b1:1"));
    assert_eq!(pool.backends[1].why, "UP until a probe says otherwise, 0 under way");
    assert_eq!(pool.timeouts[0], "2s to connect");
}

#[test]
fn a_trusted_client_is_believed_whom_the_request_is_from() {
    const FILE: &str = "
trusted_proxies: [10.0.0.0/8]
pools: { web: { backends: [http://b1:1] }, office: { backends: [http://b2:1] } }
routes: [{ pool: web }, { match: { clients: 1.2.3.0/24 }, pool: office }]";
    let config = config::load("nexus.yaml", &File(FILE)).config.expect("it has no problems");
    let snapshot = Snapshot::build(config.into_settings(), None, &std::sync::Arc::default(), 0);
    let question = Question {
        method: "GET".to_owned(),
        host: "a".to_owned(),
        path: "/".to_owned(),
        headers: vec![("X-Forwarded-For".to_owned(), "6.6.6.6, 1.2.3.4".to_owned())],
        client: "10.0.0.1".parse().unwrap(),
    };
    let told = explain(&snapshot, Origin::Running, &question).unwrap();
    assert_eq!(told.request, "GET http://a/ from 10.0.0.1 for 1.2.3.4");
    assert_eq!(told.outcome, "goes to pool office");
}

#[test]
fn a_split_by_chance_tells_of_every_side_with_its_part() {
    const FILE: &str = "
pools: { web: { backends: [http://b1:1] }, canary: { backends: [http://b2:1] } }
routes: [{ name: all, split: [{ pool: web, weight: 90 }, { pool: canary, weight: 10 }] }]";
    let told = told(FILE, "GET", "/");
    assert_eq!(told.outcome, "goes to a pool by chance");
    let shares: Vec<_> = told.pools.iter().map(|pool| pool.share.as_deref().unwrap()).collect();
    assert_eq!(shares, ["90 of 100", "10 of 100"]);
}

#[test]
fn what_is_refused_is_refused_with_its_code() {
    const FILE: &str =
        "pools: { web: { backends: [http://b1:1] } }\nroutes: [{ match: { path: /a }, pool: web }]";
    let lost = told(FILE, "GET", "/b");
    assert_eq!(lost.refused.as_deref(), Some("no_route"));
    assert_eq!(lost.outcome, "is refused with 404 no_route: no route matches this request");
    let tunnel = told(FILE, "CONNECT", "a:80");
    assert_eq!(tunnel.refused.as_deref(), Some("connect_not_supported"));
}

#[test]
fn the_retry_plan_is_the_policys_own() {
    const FILE: &str = "
pools: { web: { backends: [http://b1:1], retry: { attempts: 2, on: [connect, reset_before_response, response_timeout], status: 503 } } }
routes: [{ pool: web }, { match: { path_prefix: /once }, pool: web, retry: { attempts: 1 } }]";
    assert_eq!(
        told(FILE, "GET", "/").pools[0].retry,
        [
            "2 attempts at most, by the pool",
            "not connected: another backend is tried",
            "sent, no answer: another backend is tried",
            "no answer in time: another backend is tried",
            "answer not valid: answered 502 (answer_begun)",
            "answer broken off: answered 502 (answer_begun)",
            "status 503: another backend is tried",
            "budget: 20 % of the requests may be retries",
        ]
    );
    assert_eq!(
        told(FILE, "POST", "/once").pools[0].retry,
        [
            "1 attempt at most, by the route",
            "not connected: answered 502 (attempts_used_up)",
            "sent, no answer: answered 502 (not_idempotent)",
            "no answer in time: answered 504 (not_idempotent)",
            "answer not valid: answered 502 (answer_begun)",
            "answer broken off: answered 502 (answer_begun)",
        ]
    );
}

#[test]
fn of_many_routes_the_closest_are_told_and_the_rest_counted() {
    let route = |at: usize| format!("{{ match: {{ path: /{at} }}, pool: web }}, ");
    let routes: String = (0..40).map(route).collect();
    let file = format!(
        "pools: {{ web: {{ backends: [http://b1:1] }} }}\nroutes: [{routes}{{ pool: web }}]"
    );
    let told = told(Box::leak(file.into_boxed_str()), "GET", "/7");
    assert_eq!(told.others.len(), OTHERS_MAX);
    assert_eq!(told.others_left_out, 20);
    assert_eq!(told.others[0].why, "matches, but is less specific");
}
