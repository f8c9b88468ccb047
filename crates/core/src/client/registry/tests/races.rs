use super::*;

#[test]
fn a_change_that_loses_is_made_again_to_what_is_there_now() {
    let desk = Desk::new();
    created(&desk, json!({"client_id": "a"}));
    desk.store.lose_next(5);
    let document = json!([{"op": "add", "path": "/contacts/-", "value": "x"}]);
    assert_eq!(
        patched(&desk, "a", document).expect("the sixth try wins").contacts,
        ["x"]
    );
}

#[test]
fn a_chosen_secret_is_hashed_once_however_often_the_change_loses() {
    let desk = Desk::new();
    created(&desk, json!({"client_id": "a"}));
    let before = desk.slow.jobs();
    desk.store.lose_next(5);
    let replacement = metadata(json!({"client_secret": "correct horse"}));
    now(replace(&desk.world(), "a", replacement)).expect("the sixth try wins");
    assert_eq!(desk.slow.jobs() - before, 1);
}

#[test]
fn a_change_does_not_try_for_ever() {
    let desk = Desk::new();
    created(&desk, json!({"client_id": "a"}));
    desk.store.lose_next(usize::MAX);
    let outcome = now(replace(&desk.world(), "a", metadata(json!({}))));
    assert!(matches!(outcome, Err(RegistryError::Contended)), "{outcome:?}");
}
