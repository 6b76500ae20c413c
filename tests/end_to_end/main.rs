//! Orders through the real stack: the emulator, the template, and the `bootstrap` binaries.
//!
//! The stack is brought up once; every test has orders and goods of its own, and all of them run side by side. It runs
//! on an emulator of its own, or, with `ORDERFLOW_ENDPOINT=http://localhost:4566`, on the one that listens there, beside
//! whatever else that one has; there it is deleted in the end. The functions are built for it, or, with `ORDERFLOW_SAM=1`,
//! those that `sam build` has made, deployed by `sam deploy`.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "all of it is tests, though Clippy does not see any")]

mod alarms;
mod analytics;
mod cancellation;
mod console;
mod doors;
mod erasure;
mod feed;
mod guests;
mod killed;
mod letters;
mod live;
mod messages;
mod metrics;
mod notices;
mod operations;
mod order_page;
mod orderctl;
mod orders;
mod outsiders;
mod prices;
mod relay;
mod sign_in;
mod this_machine;
mod traces;
mod webhooks;
mod withdrawal;

use std::path::Path;
use std::sync::Arc;

use libtest_mimic::{Arguments, Conclusion, Failed, Trial};
use orderflow_local::{Endpoint, Error, Options, Progress, Stack};
use orderflow_tests::{
    Emulator, FULFILLED, NOTICES, PARTNER_ARN, PARTNER_PATTERN, Rotel, Shop, chromium, collector, event, foreign_order,
    node_packages, order, too_many_lost,
};

/// Producers that may state prices here: those of the tests.
const PRICING_PRODUCERS: &str = "https://shop.example/web,https://partner.example/checkout";

/// Name of the stack on an emulator that others use, too.
const STACK: &str = "orderflow-tests";

fn main() -> std::process::ExitCode {
    let arguments = Arguments::from_args();
    if arguments.list {
        return libtest_mimic::run(&arguments, trials(None)).exit_code();
    }
    let home = tempfile::tempdir().expect("a temporary directory");
    let (runtime, endpoint) = (runtime(), endpoint());
    let (stack, emulator, rotel) = match runtime.block_on(bring_up(home.path(), endpoint.as_ref())) {
        Ok(up) => up,
        Err(error) => {
            eprintln!("the stack does not come up: {error}");
            return std::process::ExitCode::FAILURE;
        }
    };
    let conclusion = run(arguments, &stack, &emulator);
    drop(stack);
    drop(rotel);
    if let Some(endpoint) = endpoint
        && let Err(error) = runtime.block_on(Stack::delete(&endpoint, STACK, Progress::Silent))
    {
        eprintln!("the stack {STACK} is not deleted: {error}");
        return std::process::ExitCode::FAILURE;
    }
    if let Some(fault) = too_many_lost() {
        eprintln!("{fault}");
        return std::process::ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

/// The emulator that is to be used, if the tests are to start none.
#[expect(clippy::disallowed_methods, reason = "a test is told by its environment where to run")]
fn endpoint() -> Option<Endpoint> {
    let url = std::env::var("ORDERFLOW_ENDPOINT").ok()?;
    Some(url.parse().expect("ORDERFLOW_ENDPOINT is the URL of an emulator"))
}

/// True if the functions that `sam build` has made are to be deployed.
#[expect(clippy::disallowed_methods, reason = "a test is told by its environment where to run")]
fn is_built_by_sam() -> bool {
    std::env::var_os("ORDERFLOW_SAM").is_some()
}

/// Key of KMS that the customers' keys are wrapped by. The embedded emulator knows it by its name alone.
const PERSONAL_KEY: &str = "arn:aws:kms:us-east-1:000000000000:key/0b8f1c1e-5d0f-4a53-9d0a-3f5f2f1f7a10";

/// The stack, what it runs on, and the collector that gets its spans first.
async fn bring_up(home: &Path, endpoint: Option<&Endpoint>) -> Result<(Arc<Stack>, Emulator, Option<Rotel>), Error> {
    let mut options = Options { sam: is_built_by_sam(), ..Options::apart(home) };
    // Another producer's prices have to be the table's.
    options.parameters.insert("PricingProducers".to_owned(), PRICING_PRODUCERS.to_owned());
    let others = [("Notices", NOTICES), ("PartnerQueueArn", PARTNER_ARN), ("PartnerPattern", PARTNER_PATTERN)];
    options.parameters.extend(others.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let mut rotel = None;
    if let Some(endpoint) = endpoint {
        // A run that was interrupted has left its orders there.
        Stack::delete(endpoint, STACK, Progress::Silent).await?;
        options = Options { endpoint: Some(endpoint.clone()), name: STACK.to_owned(), ..options };
    } else {
        let rotel = rotel.insert(Rotel::before(&collector().endpoint()).await);
        options.parameters.insert("OtlpEndpoint".to_owned(), rotel.endpoint());
        options.parameters.insert("PersonalKey".to_owned(), PERSONAL_KEY.to_owned());
    }
    let stack = Stack::up(&options).await?;
    let emulator = Emulator::of(&stack).await;
    Ok((Arc::new(stack), emulator, rotel))
}

fn run(mut arguments: Arguments, stack: &Arc<Stack>, emulator: &Emulator) -> Conclusion {
    let trials = trials(Some((stack, emulator)));
    // They wait most of their time. LocalStack does its own part on one core; and all that begin at once are more than any
    // emulator answers in time.
    arguments.test_threads.get_or_insert(if emulator.is_slow() { 8 } else { 12 });
    let conclusion = libtest_mimic::run(&arguments, trials);
    if node_packages().is_none() {
        eprintln!(
            "left out: an issuer in Node, and the console, for ORDERFLOW_NODE_MODULES names no folder of packages"
        );
    } else if chromium().is_none() {
        eprintln!("left out: the console, for there is no Chromium");
    }
    for gap in emulator.gaps() {
        eprintln!("left out: {gap}");
    }
    if conclusion.has_failed()
        && let Ok(log) = std::fs::read_to_string(stack.log())
    {
        eprintln!("The end of the emulator's log:");
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].iter().for_each(|line| eprintln!("{line}"));
    }
    conclusion
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an async runtime")
}

#[expect(clippy::too_many_lines, reason = "it is the list of all trials")]
fn trials(up: Option<(&Arc<Stack>, &Emulator)>) -> Vec<Trial> {
    macro_rules! trials {
        ($($module:ident: $($name:ident),* $(,)?;)*) => {
            vec![$($(
                trial(up, concat!(stringify!($module), "::", stringify!($name)), async |shop: &Shop| {
                    $module::$name(shop).await;
                }),
            )*)*]
        };
    }
    // The longest comes first, and last are those that wait until all is quiet. The doors leave a row in the table of screening that it
    // does not understand, so that it does not say what it has of others that are asked of in one breath: late enough for `operations`.
    trials![
        outsiders:
            the_api_answers_as_its_openapi_document_says,
            scripts_of_another_team_place_orders_and_follow_them,
            a_partner_in_typescript_pulls_and_goes_on_where_it_was,
            a_partner_in_typescript_is_pushed_to_and_verifies,
            a_partner_in_python_is_pushed_to_and_asks_again_for_what_it_has_lost;
        operations:
            an_order_is_told_over_all_services,
            an_order_is_open_until_it_has_ended,
            what_is_tried_again_is_told_with_its_attempts_and_its_age,
            a_service_that_has_missed_an_event_gets_it_by_a_replay,
            what_has_got_lost_is_found_and_healed;
        orders:
            an_order_is_reserved_paid_and_shipped_and_the_customer_is_told,
            a_declined_order_gives_its_goods_back,
            a_card_that_was_declined_too_often_is_not_asked_for_again,
            an_order_for_missing_goods_is_cancelled,
            of_40_orders_for_10_items_10_are_shipped,
            one_request_sent_16_times_at_once_is_one_order,
            an_order_of_another_producer_is_fulfilled_in_each_version,
            a_provider_that_fails_nine_times_charges_once,
            people_are_served_as_they_are,
            a_suspicious_order_is_flagged_and_fulfilled,
            every_error_is_a_problem;
        withdrawal:
            an_order_that_was_shipped_is_withdrawn_from_sent_back_and_refunded,
            a_withdrawal_before_the_shipment_cancels,
            a_customer_withdraws_by_the_page_alone;
        analytics:
            what_is_counted_is_exact_and_the_same_when_it_is_made_anew,
            counts_that_are_built_beside_those_that_are_shown_are_the_same_and_switched_to;
        order_page:
            a_customer_sees_the_order_move_and_cancels_by_the_page_alone;
        alarms:
            each_is_crossed_by_its_fault_and_heard,
            the_dashboard_fits_into_its_widgets;
        console:
            an_operator_mends_by_the_page_alone;
        letters:
            a_fault_that_has_parked_many_is_mended_by_a_ramp,
            a_ramp_stops_at_the_first_relapse,
            a_broken_letter_is_mended_and_of_two_editors_one_wins,
            a_dropped_letter_stays_readable_and_others_are_kept_out,
            copies_of_one_message_are_one_letter;
        orderctl:
            the_guide_leads_from_a_fault_to_its_end,
            a_relapse_ends_with_an_exit_code_of_its_own,
            who_loses_a_race_of_two_editors_is_told_by_whom,
            what_is_not_allowed_not_there_or_not_possible_is_told_apart,
            an_order_is_told_exported_and_replayed,
            goods_and_orders_are_placed;
        metrics:
            what_becomes_of_orders_is_in_the_metrics_of_the_stack;
        notices:
            the_staff_is_told_once_of_what_matches_in_digests,
            a_partners_queue_gets_what_matches_and_nothing_else;
        erasure:
            a_customer_who_is_erased_is_in_nothing_that_is_kept;
        feed:
            readers_of_any_pace_see_each_event_once;
        webhooks:
            a_partner_gets_what_it_wants_signed_and_again_if_it_was_down,
            webhooks_are_their_owners_and_go_nowhere_inside,
            the_owner_of_a_webhook_that_is_gone_is_told_once_and_an_operator_sees_to_it,
            receivers_that_mean_no_good_hold_up_nobody;
        guests:
            guests_reach_their_order_by_its_link_and_nothing_else;
        live:
            an_order_is_watched_without_a_gap_whatever_is_cut_or_killed,
            an_update_is_on_the_screen_of_who_watches_and_of_who_asks,
            an_order_is_watched_by_whose_it_is,
            the_events_of_all_orders_are_watched_with_a_pattern,
            the_board_is_watched_as_it_changes,
            queries_are_answered_as_graphql_over_http_has_it;
        killed:
            a_message_that_kills_its_function_ends_among_the_dead_letters_and_its_group_goes_on,
            orders_that_share_a_batch_with_a_message_that_kills_its_function_do_not_die_with_it;
        prices:
            an_order_costs_what_the_table_says_when_it_is_placed,
            a_producer_that_is_not_named_states_no_prices;
        relay:
            a_row_that_cannot_be_published_is_copied_whole_and_holds_nothing_up,
            ten_events_of_200_kb_are_published;
        sign_in:
            each_route_answers_each_caller_as_the_contract_says,
            issuers_that_others_have_written_are_taken_at_their_word;
        this_machine:
            pages_from_elsewhere_are_refused;
        traces:
            every_kind_of_order_is_one_connected_trace,
            an_order_of_another_producer_goes_on_in_its_trace,
            what_is_done_to_an_order_later_is_linked_to_its_trace,
            the_end_of_an_order_by_the_clock_is_linked_to_its_trace,
            what_is_sent_back_is_a_trace_of_its_own_and_linked_to_the_first;
        messages:
            an_event_in_an_sns_envelope_counts,
            a_duplicate_of_every_event_in_every_queue_changes_nothing,
            poison_is_parked_in_each_queue_and_holds_nothing_up,
            a_bad_message_is_parked_with_its_reason,
            a_message_with_many_attributes_keeps_them_all,
            a_letter_that_is_redriven_can_be_parked_again,
            a_second_order_created_is_parked_at_the_intake,
            an_unknown_type_is_kept_by_the_journal,
            an_event_that_stays_too_early_is_parked_as_exhausted;
        doors:
            a_forged_payment_ships_nothing_whichever_way_it_comes;
        cancellation:
            an_order_that_is_cancelled_while_it_is_charged_is_not_charged,
            an_order_of_another_producer_that_is_cancelled_while_it_is_charged_is_not_charged,
            an_order_that_is_cancelled_while_it_is_booked_is_refunded,
            an_order_that_is_not_paid_for_days_is_given_up_and_its_goods_are_released,
            orders_that_are_cancelled_at_any_moment_leave_nothing_behind,
            an_order_that_was_cancelled_before_it_was_known_has_no_effect;
    ]
}

fn trial(up: Option<(&Arc<Stack>, &Emulator)>, name: &str, test: impl AsyncFn(&Shop) + Send + 'static) -> Trial {
    let up = up.map(|(stack, emulator)| (Arc::clone(stack), emulator.clone()));
    Trial::test(name, move || {
        let (stack, emulator) = up.ok_or_else(|| Failed::from("there is no stack"))?;
        runtime().block_on(async { test(&Shop::on(&stack, &emulator)).await });
        Ok(())
    })
}
