//! The behaviors that every engine must show, run against SQLite in a file, SQLite in memory, PostgreSQL, PostgreSQL
//! behind PgBouncer, MariaDB, and a Galera cluster whose three servers are written and read in turn.
//!
//! A behavior is an async function over a [`scene::Scene`]; the list below registers it for every engine at once.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod api_keys;
mod assertions;
mod backlog;
mod batches;
mod clients;
mod cluster;
mod devices;
mod documents;
mod flows;
mod galera;
mod galera_loss;
mod galera_only;
mod keeper;
mod keys;
mod lifecycle;
mod mariadb;
mod mariadb_only;
mod mariadb_plans;
mod memory;
mod pgbouncer;
mod postgres_days;
mod postgres_failover;
mod postgres_only;
mod purge;
mod races;
mod records;
mod rotating;
mod scene;
mod sessions;
mod sqlite_only;
mod tokens;

macro_rules! behaviors {
    ($scene:ident $topic:ident: $($behavior:ident),* $(,)?) => {
        mod $topic { $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behavior() {
                crate::$topic::$behavior(&crate::scene::Scene::$scene().await).await;
            }
        )* }
    };
}

/// What counts round trips, or ends a server, looks at one server and has no meaning on several.
macro_rules! on_several {
    ($scene:ident batches: $($behavior:tt)*) => {};
    ($scene:ident lifecycle: $($behavior:tt)*) => {};
    ($scene:ident memory: $($behavior:tt)*) => {};
    ($($topic:tt)*) => { behaviors! { $($topic)* } };
}

macro_rules! contract {
    ($($topic:ident: $($behavior:ident),* $(,)?;)*) => {
        mod sqlite_file { $(behaviors! { sqlite_file $topic: $($behavior),* })* }
        mod sqlite_memory { $(behaviors! { sqlite_memory $topic: $($behavior),* })* }
        mod postgres { $(behaviors! { postgres $topic: $($behavior),* })* }
        mod mariadb_server { $(behaviors! { mariadb $topic: $($behavior),* })* }
        mod behind_pgbouncer { $(behaviors! { pgbouncer $topic: $($behavior),* })* }
        mod galera_cluster { $(on_several! { galera $topic: $($behavior),* })* }
    };
}

contract! {
    clients:
        a_created_client_is_read_back_as_written,
        an_unknown_client_is_not_found_whatever_its_id_contains,
        an_id_is_given_to_one_client_only,
        an_update_needs_the_version_before_its_own,
        an_update_keeps_the_time_of_creation,
        removing_a_client_that_does_not_exist_is_a_lost_race,
        a_client_made_again_never_has_a_version_it_had_before,
        tokens_of_a_removed_client_stay_dead_when_its_id_is_used_again,
        pages_of_clients_are_in_order_and_complete,
        clients_are_filtered_by_name_and_owner,
        clients_are_counted;
    flows:
        an_answered_login_is_read_back,
        accepting_a_login_twice_replaces_the_first_answer,
        a_login_cannot_be_answered_after_the_browser_came_back,
        an_advance_needs_the_version_that_was_seen,
        an_advance_of_an_unknown_flow_is_a_lost_race,
        an_answer_replaced_meanwhile_cannot_be_advanced,
        a_session_is_put_replaced_extended_and_ended_with_the_flow,
        a_lost_race_leaves_session_grant_and_code_alone,
        the_end_of_a_session_may_be_repeated,
        a_flow_can_be_answered_and_finished_in_one_step,
        an_authorization_may_end_with_an_access_token_and_no_code,
        a_grant_of_a_removed_client_is_never_made,
        an_advance_that_relied_on_a_client_needs_the_version_that_was_seen;
    tokens:
        a_code_is_read_with_its_grant,
        a_redeemed_code_gives_both_tokens,
        a_code_without_refresh_token_gives_an_access_token_only,
        a_code_is_redeemed_once,
        a_burnt_code_cannot_be_redeemed,
        a_code_is_burnt_once,
        a_code_of_a_revoked_grant_cannot_be_redeemed,
        a_code_cannot_be_redeemed_with_an_outdated_client,
        a_refresh_token_is_rotated_once,
        a_rotation_removes_the_access_token_issued_with_the_old_one,
        a_rotated_token_leads_to_its_successor,
        a_rotation_keeps_the_grant_long_enough,
        a_rotation_seals_the_grant_anew_when_it_says_so,
        a_redemption_seals_the_grant_anew_when_it_says_so,
        what_a_redemption_sealed_is_what_the_next_refresh_finds,
        a_rotation_needs_its_grant_and_the_clients_version,
        what_a_token_was_narrowed_to_belongs_to_it_only,
        revoking_a_grant_kills_every_token_of_it,
        revoking_twice_is_applied_twice,
        endless_refresh_tokens_go_with_their_grant,
        an_access_token_of_the_client_itself_is_read_back,
        a_token_is_not_issued_to_an_outdated_client,
        a_token_of_a_grant_is_not_issued_without_its_code,
        an_access_token_is_revoked_alone,
        the_access_tokens_of_a_client_end_together_and_nothing_else_does,
        the_latest_remembered_grant_is_found,
        remembering_a_grant_forgets_earlier_ones_but_their_tokens_live,
        a_revoked_grant_does_not_bring_back_an_earlier_one;
    sessions:
        the_grants_of_a_person_are_listed_in_pages,
        what_was_repeated_or_forgotten_is_not_listed,
        a_grant_that_ended_gives_nothing_but_is_remembered,
        a_grant_that_ended_without_memory_is_gone,
        an_unused_code_of_a_grant_that_ended_is_dead,
        a_memory_without_tokens_leaves_when_a_newer_one_takes_its_place,
        the_grants_of_a_person_are_revoked_by_client_or_all,
        the_sessions_of_a_person_end_together,
        the_clients_of_a_session_are_found_by_all_that_is_left_of_it,
        a_logout_happens_once_per_challenge,
        of_64_logouts_on_two_servers_one_uses_the_challenge,
        a_client_is_told_once_of_a_session,
        a_notice_that_was_not_sent_is_due_again_and_at_last_expires,
        a_notice_is_not_leased_for_longer_because_a_clock_was_set_back,
        of_64_claims_on_two_servers_each_notice_goes_to_one;
    devices:
        a_device_is_found_by_both_its_codes,
        a_user_code_names_one_device_only,
        a_device_needs_the_client_as_it_is,
        a_poll_is_noted_and_the_interval_only_grows,
        an_approved_device_has_its_grant_and_the_flow_is_over,
        an_answer_for_a_device_is_given_once,
        a_flow_that_moved_on_approves_nothing,
        a_client_that_changed_has_no_device_approved,
        a_denied_device_gets_nothing,
        a_device_is_redeemed_once_for_both_tokens,
        a_device_is_not_redeemed_without_its_grant_or_by_an_outdated_client,
        an_expired_device_is_removed,
        of_64_polls_on_two_servers_one_gets_the_tokens,
        of_64_answers_and_polls_on_two_servers_one_answer_counts;
    keys:
        the_newest_key_comes_first_even_within_a_second,
        a_key_is_seeded_once_per_set_and_algorithm,
        a_removed_seed_can_be_seeded_again,
        a_kid_is_added_once_per_set,
        a_put_key_is_inserted_or_replaced,
        a_replaced_set_holds_exactly_the_new_keys_in_their_order,
        keys_and_sets_are_removed,
        what_needs_a_key_keeps_it;
    assertions:
        an_assertion_is_used_once,
        a_grant_of_an_assertion_is_read_back_with_its_token,
        a_used_assertion_and_an_outdated_client_give_nothing,
        a_trust_is_read_back_and_removed,
        a_key_is_trusted_once_per_issuer_and_subject,
        trusts_are_found_by_issuer_and_subject,
        pages_of_trusts_are_in_order_and_filtered_by_issuer,
        used_assertions_are_forgotten_when_they_have_expired;
    api_keys:
        an_api_key_is_read_back_until_it_is_revoked,
        the_name_of_an_api_key_is_free_again_when_it_is_revoked,
        api_keys_are_listed_in_pages,
        the_use_of_an_api_key_is_noted_and_its_time_only_grows,
        an_expired_api_key_stays_for_those_who_wonder,
        an_api_key_that_was_revoked_elsewhere_is_gone_at_once,
        of_64_tasks_on_two_servers_one_takes_the_name,
        those_who_ask_at_once_for_an_api_key_share_its_reading;
    races:
        of_64_tasks_on_two_servers_one_uses_the_assertion,
        of_64_tasks_on_two_servers_one_gets_the_grant_of_the_assertion,
        of_64_tasks_one_redeems_the_code,
        of_64_tasks_on_two_servers_one_redeems_the_code,
        of_64_tasks_on_two_servers_one_rotates_the_refresh_token,
        of_64_tasks_on_two_servers_one_advances_the_flow,
        answers_and_advances_of_one_flow_never_mix,
        of_64_tasks_on_two_servers_one_seeds_the_key,
        of_64_tasks_on_two_servers_one_creates_the_client,
        a_grant_revoked_during_rotations_leaves_no_live_token;
    batches:
        five_hundred_issues_with_one_outdated_client_lose_only_that_one,
        an_issue_that_repeats_an_id_harms_only_itself,
        a_change_that_fails_harms_only_itself,
        all_kinds_of_changes_at_once_all_happen,
        concurrent_reads_each_get_their_own_answer;
    lifecycle:
        the_schema_says_whether_it_is_migrated,
        migrating_again_changes_nothing,
        an_edited_migration_is_refused,
        a_store_that_is_not_migrated_says_so_and_works_after_the_migration,
        everything_goes_on_after_a_restart,
        what_was_asked_before_closing_is_done_and_later_calls_are_refused;
    memory:
        a_code_flow_takes_seven_round_trips_and_a_refresh_one,
        a_fact_remembered_here_and_changed_elsewhere_loses_the_race_once,
        a_client_changed_elsewhere_stops_a_flow_once,
        only_what_allows_something_is_remembered;
    purge:
        expired_rows_of_every_kind_are_removed,
        live_rows_are_kept,
        a_round_removes_no_more_than_its_limit,
        issuers_that_expired_are_removed_and_may_be_trusted_again,
        what_a_removed_client_left_without_end_is_removed,
        removed_clients_are_looked_at_a_batch_at_a_time_and_forgotten,
        who_removes_what_is_old_leaves_what_removed_clients_left;
}
