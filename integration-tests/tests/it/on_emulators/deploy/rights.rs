//! A destroy with credentials that lack a right, which IAM's policy simulator tells in advance.

use super::{Up, on_processes};
use crate::command::Ran;

/// An operation of the emulator's IAM, which checks no signature.
async fn iam(endpoint: &str, fields: &[(&str, &str)]) -> String {
    let mut url = reqwest::Url::parse(endpoint).expect("a URL");
    url.query_pairs_mut().append_pair("Version", "2010-05-08").extend_pairs(fields);
    let credential = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/iam/aws4_request, \
                      SignedHeaders=host, Signature=0";
    let request = reqwest::Client::new().post(url).header("authorization", credential);
    let answer = request.send().await.expect("an answer");
    assert!(answer.status().is_success(), "{}", answer.status());
    answer.text().await.expect("a text")
}

fn element<'x>(xml: &'x str, name: &str) -> &'x str {
    let rest = xml.split_once(&format!("<{name}>")).expect("the element is there").1;
    rest.split_once("</").expect("it ends").0
}

#[tokio::test]
async fn a_destroy_that_may_not_delete_all_of_it_touches_nothing() {
    let up = Up::new();
    up.ok(&["deploy", "aws", "--yes"]);
    let policy = async |denied: &str| {
        let deny = format!(r#"{{"Effect":"Deny","Action":"{denied}","Resource":"*"}}"#);
        let document = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"*","Resource":"*"}},{deny}]}}"#
        );
        let user = [("UserName", "operator"), ("PolicyName", "all-but-one")];
        let fields = [("Action", "PutUserPolicy"), user[0], user[1], ("PolicyDocument", &document)];
        iam(up.aws(), &fields).await;
    };
    iam(up.aws(), &[("Action", "CreateUser"), ("UserName", "operator")]).await;
    policy("dynamodb:DeleteTable").await;
    let key = iam(up.aws(), &[("Action", "CreateAccessKey"), ("UserName", "operator")]).await;

    let operator = |words: &[&str]| {
        let mut command = up.checkout.deploy_command(words);
        command.env("AWS_ENDPOINT_URL", up.aws());
        command.env("AWS_ACCESS_KEY_ID", element(&key, "AccessKeyId"));
        command.env("AWS_SECRET_ACCESS_KEY", element(&key, "SecretAccessKey"));
        Ran::of(&command.output().expect("run the command"))
    };
    let destroy = ["destroy", "aws", "--env", "local", "--yes"];
    let ran = operator(&destroy);
    ran.assert_code(1);
    let line = "IAM's policy simulator denies these credentials dynamodb:DeleteTable on arn:aws:dynamodb:us-east-1:";
    assert!(ran.stderr.contains(line), "{}", ran.stderr);
    assert!(ran.stderr.contains("nothing was changed"), "{}", ran.stderr);
    let ran = up.checkout.deploy(&on_processes(&["drift", "aws"]));
    ran.assert_code(0);
    assert_eq!(up.json(&["plan", "aws"])["changes"], 0);

    policy("s3:CreateBucket").await;
    let ran = operator(&destroy);
    ran.assert_code(0);
    assert!(ran.stdout.contains("aws is destroyed: the inventory is empty"), "{}", ran.stdout);
}
