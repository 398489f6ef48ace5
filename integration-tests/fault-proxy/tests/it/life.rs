//! A proxy's events and counts, and its complete shutdown.

use std::sync::Arc;
use std::time::Duration;

use fault_proxy::{AwsError, Ending, Fault, FaultEventKind, Level, Match, Proxy, TcpFault};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::runtime::Handle;

use crate::servers::{
    connect, echo, grpc, http1, http2, proxy, read, request, round_trip, signed, web, within,
};

const PUT_ITEM: &str = "DynamoDB_20120810.PutItem";

#[tokio::test(flavor = "multi_thread")]
async fn times_are_exact_when_everybody_comes_at_once() {
    let server = web().await;
    let (proxy, events) = proxy(&server, Level::Http).await;
    let id = proxy.faults().add(Fault::aws(AwsError::Throttling).times(37)).unwrap();
    let address = proxy.address();
    let clients: Vec<_> = (0..10)
        .map(|_| {
            tokio::spawn(async move {
                let mut sender = http1(address).await;
                let mut throttled = 0;
                for _ in 0..20 {
                    let request = request("POST", "/", &[("x-amz-target", PUT_ITEM)], "{}");
                    let response = within(sender.send_request(request)).await.unwrap();
                    throttled += usize::from(read(response).await.0 == 400);
                }
                throttled
            })
        })
        .collect();
    let mut throttled = 0;
    for client in clients {
        throttled += client.await.unwrap();
    }
    assert_eq!((throttled, proxy.faults().fired(id), events.fired().len()), (37, 37, 37));
    assert_eq!(server.asked().len(), 200 - 37);
    let counts: Vec<u64> = events
        .all()
        .iter()
        .filter_map(|event| match event.happened {
            FaultEventKind::Fired { count, .. } => Some(count),
            _ => None,
        })
        .collect();
    assert_eq!(counts, (1..=37).collect::<Vec<_>>());
}

#[tokio::test]
async fn one_seed_throws_the_same_dice() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let server = web().await;
        let (proxy, _events) = proxy(&server, Level::Http).await;
        proxy.faults().add(Fault::aws(AwsError::Internal).probability(0.3)).unwrap();
        let mut sender = http1(proxy.address()).await;
        let mut answers = Vec::new();
        for _ in 0..60 {
            let request = request("POST", "/", &[("x-amz-target", PUT_ITEM)], "{}");
            answers.push(read(sender.send_request(request).await.unwrap()).await.0);
        }
        let broken = answers.iter().filter(|status| **status == 500).count();
        assert!((5..35).contains(&broken), "{broken} of 60");
        runs.push(answers);
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
async fn events_tell_all_and_can_be_read_back() {
    let server = web().await;
    let (proxy, events) = proxy(&server, Level::Http).await;
    let fault = Fault::aws(AwsError::Unavailable).on(Match::service("s3")).times(1);
    let id = proxy.faults().add(fault.clone()).unwrap();
    assert_eq!(proxy.faults().list().len(), 1);
    let mut sender = http1(proxy.address()).await;
    let put = request("PUT", "/bucket/key", &[("authorization", &signed("s3"))], "content");
    assert_eq!(read(sender.send_request(put).await.unwrap()).await.0, 503);
    proxy.faults().clear();
    assert!(proxy.faults().list().is_empty());

    let lines: Vec<String> =
        events.all().iter().map(|event| serde_json::to_string(event).unwrap()).collect();
    let read: Vec<fault_proxy::FaultEvent> =
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read, events.all());
    let happened: Vec<_> = read.iter().map(|event| event.happened.clone()).collect();
    let detail = "s3 PutObject: 503 ServiceUnavailable".to_owned();
    let expected = [
        FaultEventKind::Added { spec: fault },
        FaultEventKind::Fired { count: 1, connection: 1, detail },
        FaultEventKind::Removed { fired: 1 },
    ];
    assert_eq!(happened, expected);
    assert!(read.iter().all(|event| event.fault == id && event.kind == "aws_error"));
    assert!(read.windows(2).all(|pair| pair[0].at_us <= pair[1].at_us));
    assert!(read.iter().all(|event| event.unix_us > 1_700_000_000_000_000));
}

#[test]
fn a_fault_can_be_written_in_a_file() {
    let fault: Fault = toml::from_str(
        "kind = { fault = \"delay\", delay_ms = 100, jitter_ms = 50, direction = \"down\" }\n\
         probability = 0.5\ntimes = 3\n",
    )
    .unwrap();
    assert_eq!((fault.kind.name(), fault.times), ("delay", Some(3)));
    let fault: Fault = toml::from_str(
        "kind = { fault = \"aws_error\", error = \"throttling\" }\n\
         on = { service = \"dynamodb\", operation = \"PutItem\" }\n",
    )
    .unwrap();
    let on = Match::service("dynamodb").operation("PutItem");
    assert_eq!(fault, Fault::aws(AwsError::Throttling).on(on));
    assert!(toml::from_str::<Fault>("kind = { fault = \"delya\" }").is_err());
}

#[tokio::test]
async fn requests_are_counted_by_service_and_operation_whatever_becomes_of_them() {
    let server = web().await;
    let (proxy, _events) = proxy(&server, Level::Http).await;
    let mut two = http2(proxy.address()).await;
    for method in ["Publish", "Publish", "GetTopic"] {
        assert_eq!(read(two.send_request(grpc(method)).await.unwrap()).await.0, 200);
    }
    let mut one = http1(proxy.address()).await;
    let form = [
        ("authorization", &*signed("cloudformation")),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let describe = request("POST", "/", &form, "Action=DescribeStacks&Version=2010-05-15");
    let (_, _, body) = read(one.send_request(describe).await.unwrap()).await;
    assert_eq!(
        body, "POST / Action=DescribeStacks&Version=2010-05-15",
        "what is read is passed on"
    );
    proxy.faults().add(Fault::aws(AwsError::Throttling)).unwrap();
    let put = request("POST", "/", &[("x-amz-target", PUT_ITEM)], "{}");
    assert_eq!(read(one.send_request(put).await.unwrap()).await.0, 400);
    let requests = proxy.requests();
    let requests: Vec<_> = requests
        .iter()
        .map(|((service, operation), count)| (&**service, &**operation, *count))
        .collect();
    let expected = [
        ("cloudformation", "DescribeStacks", 1),
        ("dynamodb", "PutItem", 1),
        ("pubsub", "GetTopic", 1),
        ("pubsub", "Publish", 2),
    ];
    assert_eq!(requests, expected);
}

#[tokio::test]
async fn nothing_is_left_of_a_dropped_proxy() {
    let (echo, web) = (echo().await, web().await);
    let before = tasks();
    let (tcp, _) = proxy(&echo, Level::Tcp).await;
    let (http, _) = proxy(&web, Level::Http).await;
    let mut bytes = connect(tcp.address()).await;
    assert_eq!(round_trip(&mut bytes, "abc").await.unwrap(), "abc");
    let mut one = http1(http.address()).await;
    assert_eq!(read(one.send_request(request("GET", "/", &[], "")).await.unwrap()).await.0, 200);
    let mut two = http2(http.address()).await;
    assert_eq!(read(two.send_request(grpc("Publish")).await.unwrap()).await.0, 200);
    // One with a hanging call, too.
    http.faults().add(Fault::http(fault_proxy::HttpFault::Hang)).unwrap();
    let hanging = tokio::spawn(two.send_request(grpc("Publish")));
    assert_eq!((tcp.connections(), http.connections()), (1, 2));
    let addresses = [tcp.address(), http.address()];
    drop((tcp, http));

    assert_eq!(within(bytes.read(&mut [0; 8])).await.unwrap_or(0), 0);
    assert!(within(hanging).await.unwrap().is_err());
    drop((one, two, bytes));
    for address in addresses {
        within(async {
            while TcpStream::connect(address).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
    within(async {
        while tasks() > before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

#[tokio::test]
async fn a_stopped_proxy_gives_its_port_back_and_the_next_takes_it() {
    let server = echo().await;
    let (first, _) = proxy(&server, Level::Tcp).await;
    let address = first.address();
    let mut socket = connect(address).await;
    assert_eq!(round_trip(&mut socket, "abc").await.unwrap(), "abc");
    within(first.stop()).await;
    assert!(TcpStream::connect(address).await.is_err());
    let second = Proxy::before(&server.endpoint).unwrap().listen(address).start().await.unwrap();
    let mut socket = connect(second.address()).await;
    assert_eq!(round_trip(&mut socket, "def").await.unwrap(), "def");
}

#[tokio::test]
async fn a_lost_upstream_is_no_answer_and_a_new_one_is_found() {
    for level in [Level::Tcp, Level::Http] {
        let gone = web().await;
        let (proxy, _events) = proxy(&gone, level).await;
        let mut sender = http1(proxy.address()).await;
        let first = within(sender.send_request(request("GET", "/", &[], ""))).await.unwrap();
        assert_eq!(read(first).await.0, 200);
        drop(gone);
        // The open connection is closed, as it would be without a proxy.
        within(async {
            while sender.ready().await.is_ok() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let mut sender = http1(proxy.address()).await;
        assert!(within(sender.send_request(request("GET", "/", &[], ""))).await.is_err());
        let new = web().await;
        proxy.set_upstream(&new.endpoint).unwrap();
        let mut sender = http1(proxy.address()).await;
        let second = within(sender.send_request(request("GET", "/", &[], ""))).await.unwrap();
        assert_eq!(read(second).await.0, 200);
    }
}

#[tokio::test]
async fn many_proxies_are_switched_one_by_one() {
    let server = echo().await;
    let mut proxies = Vec::new();
    for _ in 0..8 {
        proxies.push(proxy(&server, Level::Tcp).await.0);
    }
    let proxies = Arc::new(proxies);
    proxies[3].faults().add(Fault::tcp(TcpFault::Cut { how: Ending::Reset })).unwrap();
    for (index, proxy) in proxies.iter().enumerate() {
        let mut socket = connect(proxy.address()).await;
        assert_eq!(round_trip(&mut socket, "abc").await.is_ok(), index != 3, "proxy {index}");
    }
}

#[tokio::test]
async fn an_endpoint_that_is_none_is_refused_with_words() {
    let refused = |endpoint| Proxy::before(endpoint).expect_err("refused").to_string();
    assert!(refused("https://127.0.0.1:1").contains("TLS"));
    assert!(refused("nowhere").contains("HOST:PORT"));
}
