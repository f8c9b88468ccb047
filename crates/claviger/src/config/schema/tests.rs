//! The schema and the loader agree.

use std::fs;
use std::path::Path;

use jsonschema::Validator;

use super::*;
use crate::config::lines::Lines;
use crate::config::values::Values;
use crate::config::{Source, file};

fn validator() -> Validator {
    jsonschema::draft7::new(&schema()).unwrap()
}

/// Whether the loader takes it, without the rules between settings.
fn is_loaded(tree: &Value) -> bool {
    let source = Source::File("a.yml".into(), None);
    let loaded = Values::defaults().set_file(tree.clone(), &Lines::default(), &source);
    loaded.is_ok()
}

/// The setting alone in a file.
fn alone(path: &str, value: Value) -> Value {
    let names = path.rsplit('.');
    names.fold(value, |inside, name| json!({ name: inside }))
}

/// With `CLAVIGER_BLESS=1` in the environment the file is written anew.
#[test]
fn the_checked_in_schema_reference_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/claviger.schema.json");
    if std::env::var_os("CLAVIGER_BLESS").is_some() {
        fs::write(&path, schema_text()).unwrap();
    }
    let file = fs::read_to_string(&path).unwrap();
    assert!(
        file == schema_text(),
        "docs/claviger.schema.json is out of date; run: CLAVIGER_BLESS=1 cargo test -p claviger --lib reference"
    );
}

/// Values of every kind, right and wrong.
fn candidates() -> Vec<Value> {
    let texts = [
        "",
        "x",
        "1h30m",
        "10",
        "-1",
        "1day",
        "wildcard",
        "jwt",
        "info",
        "public",
        "https://a.example/x",
        "/path",
        "//a.example",
        "ftp://a",
        "memory",
        "with space",
        "a;b",
        "ory_at_",
        "127.0.0.1",
        "RS256",
        "0.5s",
    ];
    let mut all: Vec<Value> = texts.map(Value::from).to_vec();
    all.extend([
        json!(true), json!(0), json!(-1), json!(4444), json!(70000), json!(0.5), json!(2.5), json!(null),
        json!([]), json!(["public"]), json!(["0123456789abcdef"]), json!(["a", 1]), json!(["10.0.0.0/8"]),
        json!({}), json!({"url": "https://a.example/"}), json!({"uri": "https://a.example/"}),
        json!({"url": "https://a.example/", "auth": {"type": "api_key", "config": {"in": "header", "name": "X", "value": "y"}}}),
        json!({"url": "https://a.example/", "auth": {"type": "basic"}}), json!({"Authorization": "x"}), json!({"Authorization": 1}),
    ]);
    all
}

#[test]
fn what_the_loader_takes_the_schema_takes_and_it_refuses_what_the_loader_refuses() {
    let validator = validator();
    // Of these a schema can say only that they are texts.
    let beyond = |key: &Key| matches!(key.kind, Kind::Dsn | Kind::Host | Kind::Networks | Kind::Secrets);
    for key in keys::all() {
        for value in candidates() {
            let loaded = key.kind.check(&value).is_ok();
            let tree = alone(key.path, value);
            let valid = validator.is_valid(&tree);
            assert!(valid || !loaded, "the schema refuses {tree}, which is loaded");
            assert!(
                loaded || !valid || beyond(key),
                "the schema takes {tree}, which is not loaded"
            );
        }
    }
}

#[test]
fn defaults_are_valid() {
    let validator = validator();
    for key in keys::all().filter(|key| !key.default.is_empty()) {
        assert!(
            validator.is_valid(&alone(key.path, key.default_value())),
            "{}",
            key.path
        );
    }
}

/// Configurations as operators of Hydra have them.
fn examples() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/schema/hydra");
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    found.sort();
    let read = |path: &std::path::PathBuf| (path.display().to_string(), file::read(path).unwrap().0);
    found.iter().map(read).collect()
}

#[test]
fn configurations_of_hydra_are_valid_and_load() {
    let (validator, examples) = (validator(), examples());
    assert!(examples.len() >= 3);
    for (name, tree) in examples {
        let complaints: Vec<String> = validator.iter_errors(&tree).map(|error| error.to_string()).collect();
        assert_eq!(complaints, Vec::<String>::new(), "{name}");
        assert!(is_loaded(&tree), "{name}");
    }
}

#[test]
fn a_typo_anywhere_is_invalid() {
    let validator = validator();
    for (name, tree) in examples() {
        let mut places = Vec::new();
        members(&tree, String::new(), &mut places);
        for place in places {
            let mut wrong = tree.clone();
            let (parent, member) = place.rsplit_once('/').unwrap();
            let group = wrong.pointer_mut(parent).unwrap().as_object_mut().unwrap();
            let value = group.remove(member).unwrap();
            group.insert(format!("{member}x"), value);
            assert!(!validator.is_valid(&wrong), "{name}: {place}x");
        }
    }
}

/// The pointers of all members that settings and groups have, not of what is inside a setting.
fn members(tree: &Value, at: String, places: &mut Vec<String>) {
    for (name, value) in tree.as_object().into_iter().flatten() {
        let place = format!("{at}/{name}");
        let path = place.trim_start_matches('/').replace('/', ".");
        if keys::find(&path).is_none() {
            members(value, place.clone(), places);
        }
        places.push(place);
    }
}
