//! Calls of Google Cloud in the code: methods of the clients, chains of Firestore's, and requests to the REST APIs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use syn::visit::{self, Visit};
use syn::{Expr, Lit};

use super::code::{Source, each_function, is_in, methods_in, packages};

/// A call in the code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Call {
    pub(super) file: String,
    pub(super) function: String,
    /// A client and its method, such as `pubsub publish`; `firestore` and the first two words of a chain behind `fluent`,
    /// such as `firestore select from`; or the method and the path of a request, as far as the code says it, such as
    /// `POST /v1/{subscription}:modifyPushConfig`.
    pub(super) what: String,
}

/// A package, what a file has in it that names the package, the client's name here, and the files that have its methods.
const CLIENTS: [(&str, &str, &str, &[&str]); 5] = [
    (
        "google-cloud-storage",
        "google_cloud_storage",
        "storage",
        &["src/storage/client.rs", "src/control/client.rs"],
    ),
    (
        "google-cloud-pubsub",
        "google_cloud_pubsub",
        "pubsub",
        &["src/publisher/client.rs", "src/subscriber/client.rs", "src/generated/gapic/client.rs"],
    ),
    ("firestore", "firestore::", "firestore", &["src/db/mod.rs", "src/db/support.rs"]),
    ("gcloud-sdk", "firestore::", "firestore", &["genproto/google.firestore.v1.rs"]),
    ("oci-client", "oci_client", "registry", &["src/client.rs"]),
];

/// Functions that send what they are asked for, so that their callers make the calls; and where those are.
const SENDERS: [(&str, &str); 4] = [
    ("infra/operate/src/google.rs#ask", "infra/operate/src"),
    (
        "infra/operate/src/commands/schedule/scheduler.rs#ask",
        "infra/operate/src/commands/schedule/scheduler.rs",
    ),
    ("functions/gcp/src/queue/pull.rs#ask", "functions/gcp/src/queue/pull.rs"),
    ("infra/deploy/src/cloud_storage.rs#get", "infra/deploy/src/cloud_storage.rs"),
];

/// Methods of an HTTP client that begin a request.
const REQUESTS: [&str; 7] = ["delete", "get", "head", "patch", "post", "put", "request"];

/// The clients' methods, read from their sources.
pub(super) struct Methods {
    /// By name, the clients that have one of that name, each with what names it in a file.
    of_clients: BTreeMap<String, BTreeSet<(&'static str, &'static str)>>,
    /// Names of functions of our own: a method of that name is a client's only in a file that names the client.
    own: BTreeSet<String>,
}

impl Methods {
    pub(super) fn read(sources: &[Source]) -> Self {
        let packages = packages();
        let mut of_clients: BTreeMap<String, BTreeSet<_>> = BTreeMap::new();
        for (package, named, client, files) in CLIENTS {
            let folder = packages.get(package).unwrap_or_else(|| panic!("no package {package}"));
            for file in files {
                let text = fs::read_to_string(folder.join(file));
                let text = text.unwrap_or_else(|error| panic!("{package} {file}: {error}"));
                // Only async methods of Firestore's client make a call.
                for method in public_methods(&text, client == "firestore") {
                    of_clients.entry(method).or_default().insert((client, named));
                }
            }
        }
        let mut own = BTreeSet::new();
        for Source { file, text } in sources {
            each_function(file, text, &mut |name, _| {
                own.insert(name.to_owned());
            });
        }
        Self { of_clients, own }
    }

    /// The client whose method this is, in a file of this text.
    fn client(&self, method: &str, text: &str) -> Option<&'static str> {
        let clients = self.of_clients.get(method)?;
        let named = clients.iter().find(|(_, named)| text.contains(named));
        let plain = self.own.contains(method) || !method.contains('_');
        let elsewhere = clients.first().filter(|_| !plain && !text.contains("aws_sdk_"));
        named.or(elsewhere).map(|(client, _)| *client)
    }
}

/// The public methods of a file that leave the client as it is, and those of its traits.
fn public_methods(text: &str, only_async: bool) -> Vec<String> {
    let of_reference = |signature: &syn::Signature| {
        let by_reference = signature.receiver().is_some_and(|of| of.reference.is_some());
        by_reference && (!only_async || signature.asyncness.is_some())
    };
    let mut names = Vec::new();
    let mut open = syn::parse_file(text).expect("Rust").items;
    while let Some(item) = open.pop() {
        match item {
            syn::Item::Mod(module) => open.extend(module.content.into_iter().flat_map(|c| c.1)),
            syn::Item::Impl(of) => names.extend(of.items.iter().filter_map(|item| match item {
                syn::ImplItem::Fn(method) if matches!(method.vis, syn::Visibility::Public(_)) => {
                    of_reference(&method.sig).then(|| method.sig.ident.to_string())
                }
                _ => None,
            })),
            syn::Item::Trait(of) => names.extend(of.items.iter().filter_map(|item| match item {
                syn::TraitItem::Fn(method) => Some(method.sig.ident.to_string()),
                _ => None,
            })),
            _ => {}
        }
    }
    names
}

/// The calls of one file.
pub(super) fn calls_of(source: &Source, methods: &Methods) -> Vec<Call> {
    let Source { file, text } = source;
    let mut calls = Vec::new();
    each_function(file, text, &mut |function, block| {
        let (locals, segments) = (BTreeMap::new(), Vec::new());
        let mut finder = Finder { source, methods, function, locals, segments, calls: &mut calls };
        finder.visit_block(block);
    });
    calls
}

/// Finds calls in one function.
struct Finder<'a> {
    source: &'a Source,
    methods: &'a Methods,
    function: &'a str,
    /// The texts of local variables, see [`Finder::text`].
    locals: BTreeMap<String, String>,
    /// Segments that a URL was given.
    segments: Vec<String>,
    calls: &'a mut Vec<Call>,
}

impl<'a> Visit<'a> for Finder<'a> {
    // Nested functions are visited by themselves.
    fn visit_item(&mut self, _: &'a syn::Item) {}

    fn visit_local(&mut self, local: &'a syn::Local) {
        visit::visit_local(self, local);
        if let (syn::Pat::Ident(name), Some(init)) = (&local.pat, &local.init) {
            let said = self.text(&init.expr);
            self.locals.insert(name.ident.to_string(), said);
        }
    }

    fn visit_expr_method_call(&mut self, call: &'a syn::ExprMethodCall) {
        // The URL's segments come before the request that they are for.
        if call.method == "extend" {
            let segments: Vec<String> = call.args.iter().map(|arg| self.text(arg)).collect();
            self.segments.extend(segments);
        }
        let method = call.method.to_string();
        if let Some(chain) = behind_fluent(call) {
            self.found(format!("firestore {}", chain.join(" ")));
            return self.parts(call);
        }
        if self.sends(call, &method) {
            self.request(&method, call);
        } else if !is_self(&call.receiver)
            && let Some(client) = self.methods.client(&method, &self.source.text)
        {
            self.found(format!("{client} {method}"));
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_path(&mut self, path: &'a syn::ExprPath) {
        let segments: Vec<String> =
            path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if let [.., of, write] = &segments[..]
            && of == "Operation"
            && self.source.text.contains("firestore::")
        {
            self.found(format!("firestore Operation::{write}"));
        }
    }

    fn visit_macro(&mut self, arguments: &'a syn::Macro) {
        for (method, _) in methods_in(arguments) {
            let Source { file, text } = self.source;
            assert!(
                method != "fluent" && self.senders(&method).next().is_none(),
                "{file}: {}: move the call of {method} out of the macro's arguments, where it can be read",
                self.function
            );
            if let Some(client) = self.methods.client(&method, text) {
                self.found(format!("{client} {method}"));
            }
        }
    }
}

impl<'a> Finder<'a> {
    fn found(&mut self, what: String) {
        let (file, function) = (self.source.file.clone(), self.function.to_owned());
        self.calls.push(Call { file, function, what });
    }

    /// Goes on below a chain whose links are read already.
    fn parts(&mut self, chain: &'a syn::ExprMethodCall) {
        let mut link = chain;
        loop {
            for arg in &link.args {
                self.visit_expr(arg);
            }
            match &*link.receiver {
                Expr::MethodCall(inner) => link = inner,
                other => return self.visit_expr(other),
            }
        }
    }

    /// The functions that send, for a method of this name in this file.
    fn senders(&self, method: &str) -> impl Iterator<Item = &'static str> {
        let (method, file) = (method.to_owned(), self.source.file.clone());
        SENDERS.into_iter().filter_map(move |(sender, within)| {
            let named = sender.rsplit_once('#').is_some_and(|(_, name)| name == method);
            (named && Path::new(&file).starts_with(within)).then_some(sender)
        })
    }

    /// True if it sends a request of its own: of an HTTP client, or of a function that sends what it is told.
    fn sends(&self, call: &syn::ExprMethodCall, method: &str) -> bool {
        let within_sender =
            SENDERS.iter().any(|(sender, _)| is_in(&[sender], &self.source.file, self.function));
        if within_sender || call.args.is_empty() {
            return false;
        }
        if self.senders(method).next().is_some() {
            return method == "ask" || is_self(&call.receiver);
        }
        let http = matches!(last_name(&call.receiver).as_str(), "client" | "http" | "Client");
        REQUESTS.contains(&method) && http
    }

    /// Its method and path, and the segments that the path was given besides.
    fn request(&mut self, method: &str, call: &syn::ExprMethodCall) {
        let mut words = Vec::new();
        if REQUESTS.contains(&method)
            && method != "request"
            && self.senders(method).next().is_none()
        {
            words.push(method.to_uppercase());
        }
        for arg in &call.args {
            let text = self.text(arg);
            let is_verb = matches!(arg, Expr::Path(path) if path.path.segments.first().is_some_and(|s| s.ident == "Method"));
            words.push(text);
            if !is_verb {
                break;
            }
        }
        words.extend(self.segments.clone());
        self.found(words.join(" ").trim_end().to_owned());
    }

    /// The path in an expression: literals unchanged, all else as `{}`.
    fn text(&self, expr: &Expr) -> String {
        let unknown = || "{}".to_owned();
        match expr {
            Expr::Lit(lit) => match &lit.lit {
                Lit::Str(text) => text.value(),
                _ => unknown(),
            },
            Expr::Reference(inner) => self.text(&inner.expr),
            Expr::Paren(inner) => self.text(&inner.expr),
            Expr::Try(inner) => self.text(&inner.expr),
            Expr::MethodCall(call) => self.text(&call.receiver),
            Expr::Call(call) => {
                let name = last_name(&call.func);
                let first = call.args.first().filter(|_| name == "parse");
                first.map_or_else(unknown, |first| self.text(first))
            }
            Expr::Array(array) => {
                array.elems.iter().map(|one| self.text(one)).collect::<Vec<_>>().join("/")
            }
            Expr::Macro(format) if format.mac.path.is_ident("format") => {
                let parse = syn::punctuated::Punctuated::<Expr, syn::Token![,]>::parse_terminated;
                let args = format.mac.parse_body_with(parse);
                args.ok()
                    .and_then(|args| args.first().map(|first| self.text(first)))
                    .unwrap_or_else(unknown)
            }
            Expr::Path(path) => {
                let name = last_name(expr);
                match self.locals.get(&name) {
                    Some(said) if path.path.get_ident().is_some() => said.clone(),
                    _ if path.path.segments.len() == 2
                        && path.path.segments[0].ident == "Method" =>
                    {
                        name
                    }
                    _ => unknown(),
                }
            }
            _ => unknown(),
        }
    }
}

/// The first two words behind `fluent` in a chain.
fn behind_fluent(call: &syn::ExprMethodCall) -> Option<Vec<String>> {
    let mut words = vec![call.method.to_string()];
    let mut receiver = &*call.receiver;
    while let Expr::MethodCall(inner) = receiver {
        words.push(inner.method.to_string());
        receiver = &inner.receiver;
    }
    let fluent = words.iter().position(|word| word == "fluent")?;
    Some(words[..fluent].iter().rev().take(2).cloned().collect())
}

fn is_self(expr: &Expr) -> bool {
    matches!(expr, Expr::Path(path) if path.path.is_ident("self"))
}

/// The name that an expression ends with.
fn last_name(expr: &Expr) -> String {
    match expr {
        Expr::Path(path) => path.path.segments.last().map(|s| s.ident.to_string()),
        Expr::Field(field) => match &field.member {
            syn::Member::Named(name) => Some(name.to_string()),
            syn::Member::Unnamed(_) => None,
        },
        Expr::Try(inner) => return last_name(&inner.expr),
        Expr::Await(inner) => return last_name(&inner.base),
        Expr::Paren(inner) => return last_name(&inner.expr),
        Expr::Reference(inner) => return last_name(&inner.expr),
        Expr::Call(call) => return last_name(&call.func),
        Expr::MethodCall(call) => Some(call.method.to_string()),
        _ => None,
    }
    .unwrap_or_default()
}
