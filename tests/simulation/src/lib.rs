//! The whole shop in one thread and in virtual time, under every fault, from a seed that replays.
//!
//! The code that runs here is the code that runs in Lambda: handlers, ledger, batches, relay and domain of every function,
//! unchanged, on the models of the [`simulator`]. Here is the shop's half: its [`services`], wired as their `main` does it
//! and set as the [`template`] sets them; its [`customers`]; and its invariants, those of every moment ([`audit`]) and
//! those of when nothing is left to do ([`invariants_at_rest`]).

pub mod audit;
pub mod chores;
pub mod customers;
pub mod damage;
pub mod invariants_at_rest;
pub mod live;
mod names;
pub mod notices;
pub mod operations;
mod operator;
pub mod outside;
pub mod ports;
mod requests;
pub mod safeguards;
pub mod services;
pub mod shop;
pub mod simulation;
pub mod template;
pub mod webhooks;
