//! Services of the shop: each as its `main` puts it together. Those without effects are added as the registry has them;
//! the others have their part of the world outside.

use std::rc::Rc;
use std::sync::LazyLock;
use std::time::Duration;

use futures::FutureExt;
use lambda_http::http::{HeaderValue, header};
use lambda_http::{Body, Request, Response};
use onewrite::access::Access;
use onewrite::link::Links;
use onewrite::memory::{MemoryIssuer, MemoryLinkKeys, MemoryLog};
use onewrite::personal::KeyRing;
use onewrite::port::{Clock as _, MAX_COUNTED};
use onewrite::{Ledger, Projection, Sweep};
use orderflow_analytics::{Analytics, CountEffects};
use orderflow_events::scope::{ORDERS_ANY, PRICES_STATE};
use orderflow_events::{EventType, HoldFlagged, Money, Source, Text, Time};
use orderflow_inventory::{AVAILABLE, InventoryApi, RESERVED, REVISION, Stock};
use orderflow_journal::Journal;
use orderflow_notices::Notices;
use orderflow_notification::{
    Countries, Limits, LinkSettings, MailLinks, Messenger, Notification, Number, Pacing, ShopUrl,
};
use orderflow_orders::{
    Endings, Guests, IntakeHandler, MemoryPrices, NewPrice, Order, Orders, OrdersApi, PaymentDue, PriceStore,
    PricingProducers, WithdrawalPeriod,
};
use orderflow_payment::{DeclinesPerHour, Payment, ProviderEffects};
use orderflow_registry::SERVICES;
use orderflow_screening::{Screening, ScreeningApi, SightingEffects};
use orderflow_shipping::{CarrierEffects, Shipping};
use simulator::model::source::invoke;
use simulator::model::topic::StandardTopic;
use simulator::ports::{KeyTable, LeaseTable, OccurrenceTable, Table};
use simulator::{Caller, Run, Stack};

use crate::audit::{MOST_MAILS, MOST_TEXTS, PRICING_PRODUCER};
use crate::names::{ANALYTICS, INTAKE, INVENTORY, JOURNAL, NOTIFICATION, ORDERS, SCREENING};
use crate::notices;
use crate::operations::Operations;
use crate::outside::FEED_SHARDS;
use crate::ports::{
    CarrierPort, CountTable, FeedTable, JournalTable, LinkKeysPort, NoticesTable, OpenIndex, Port, Post, PriceTable,
    ProviderPort, StockTable,
};
use crate::safeguards::{CLEARANCE, COMPENSATION, DECLINE_LIMIT, PRICING, RECIPIENT_LIMIT};
use crate::shop::Shop;
use crate::template::template;
use crate::webhooks::{Partner, Webhooks};

/// Binary that a clock invokes, and how long an order may be unpaid.
pub const CLOCK: &str = "open-orders";
const PAYMENT_DUE: PaymentDue = PaymentDue::of_hours(72);

/// Pauses between the sweeps of a run, and their number: the last of them is long after any order is due.
const SWEEP_EVERY_MS: u64 = 12 * 3_600_000;
const SWEEPS: u32 = 14;

/// Time beyond its due in which some sweep comes to an order, whatever goes wrong.
const SWEPT_WITHIN: Duration = Duration::from_hours(72);

/// Age from which an order is late.
const LATE_AFTER: Duration = Duration::from_mins(15);

/// Binaries that answer HTTP requests.
pub const APIS: [&str; 3] = ["orders-api", "inventory-api", "screening-api"];

/// Pace of mails: some have to wait for a turn, and few so long that they come again.
const MAILS_PER_SECOND: u32 = 5;

/// Declines within an hour from which on the provider is not asked.
const DECLINES_PER_HOUR: u32 = 10;

/// Messages that one recipient gets in a day.
const LIMITS: Limits = Limits { mails: Number(MOST_MAILS), texts: Number(MOST_TEXTS) };

/// Strikes of the clock of the notices.
const NOTICES: u32 = 30;

/// Longer than any run lasts.
const WITHDRAWAL_PERIOD: WithdrawalPeriod = WithdrawalPeriod::of_days(14);

/// All of the shop: services, APIs, and what stands around them.
pub struct System {
    /// The services.
    pub stack: Rc<Stack>,
    /// The shop around them.
    pub shop: Rc<Shop>,
    /// The door for orders of other producers.
    pub intake: Rc<StandardTopic>,
    orders_api: Rc<OrdersApi<Table, PriceTable, Caller, KeyTable>>,
    /// The same for those who are signed in, and for guests.
    page_api: Rc<OrdersApi<Table, PriceTable, Caller, KeyTable, &'static MemoryIssuer, LinkKeysPort>>,
    prices: Prices,
    inventory_api: Rc<InventoryApi<StockTable, Table, Caller>>,
    screening_api: Rc<ScreeningApi<Table, Caller>>,
    stock: Rc<MemoryLog>,
}

/// Price table, beside the table of the orders.
type Prices = Rc<MemoryPrices<Rc<MemoryLog>>>;

/// The shop's own pages, and the life of a link to a guest's order there, longer than any run lasts.
pub const SHOP_URL: &str = "https://shop.example";
const LINK_DAYS: u32 = 90;
const LINK_LIFETIME: Duration = Duration::from_hours(24 * LINK_DAYS as u64);

/// The keys of these links, as a function fetches them.
fn keys_of(caller: &Caller) -> LinkKeysPort {
    LinkKeysPort { caller: caller.clone(), keys: Rc::new(MemoryLinkKeys::new("links")) }
}

/// Links in the mails to guests.
fn mail_links(caller: &Caller) -> MailLinks<LinkKeysPort> {
    let (secret, shop_url) = (Text::shortened("links"), Text::shortened(SHOP_URL));
    let settings = LinkSettings { secret, days: Number(LINK_DAYS), shop_url };
    MailLinks::new(&settings, keys_of(caller))
}

/// Issuer of the tokens. A key takes as long to make as a small run.
static ISSUER: LazyLock<MemoryIssuer> = LazyLock::new(|| MemoryIssuer::new("1"));

/// Token of the shop's page, which may place orders for any customer, and state no prices.
static PAGE: LazyLock<String> = LazyLock::new(|| ISSUER.token("page", ORDERS_ANY));

/// Token of a page that may state prices.
static TRUSTED_PAGE: LazyLock<String> = LazyLock::new(|| ISSUER.token("page", &format!("{ORDERS_ANY} {PRICES_STATE}")));

/// Keys of the customers, as a function has them.
fn key_ring(shop: &Shop, caller: &Caller) -> KeyRing<KeyTable, Caller> {
    let table = KeyTable { caller: caller.clone(), keys: Rc::clone(&shop.outside.keys) };
    KeyRing::new(table, caller.clone())
}

/// Starts every service.
fn start(run: &Rc<Run>, shop: &Rc<Shop>, intake: &Rc<StandardTopic>) -> (Rc<Stack>, Prices) {
    let mut prices = Prices::default();
    let port = |caller: &Caller| Port { caller: caller.clone(), shop: Rc::clone(shop) };
    let messenger = |caller: &Caller| {
        let leases = LeaseTable { caller: caller.clone(), leases: Rc::clone(&shop.outside.leases) };
        let pacing = Pacing::new(MAILS_PER_SECOND, 1);
        let (keys, countries) = (key_ring(shop, caller), sms_countries());
        let messenger =
            Messenger::new(Post(port(caller)), pacing, Post(port(caller)), countries, leases, keys, caller.clone());
        let messenger = if run.lacks(RECIPIENT_LIMIT) { messenger } else { messenger.with_limits(LIMITS) };
        messenger.with_links(Some(mail_links(caller))).with_shop(ShopUrl(Some(Text::shortened(SHOP_URL))))
    };
    let rule = shop.rule;
    let shipped_by = if run.lacks(CLEARANCE) { HoldFlagged::No } else { rule };
    let builder = Stack::builder(run).settings(|service| template().settings(service));
    let stack = SERVICES
        .iter()
        .fold(builder, |builder, service| service.join(builder))
        .service_with::<Payment, _>("payment", |caller| {
            let limit = if run.lacks(DECLINE_LIMIT) { MAX_COUNTED } else { DECLINES_PER_HOUR };
            ProviderEffects::new(
                ProviderPort(port(caller)),
                OccurrenceTable { caller: caller.clone(), occurrences: Rc::clone(&shop.outside.declines) },
                DeclinesPerHour(limit),
            )
        })
        .service_with::<Shipping, _>("shipping", |caller| {
            CarrierEffects::new(CarrierPort(port(caller)), key_ring(shop, caller), shipped_by)
        })
        .service_with::<Screening, _>("screening", |caller| {
            SightingEffects::new(
                OccurrenceTable { caller: caller.clone(), occurrences: Rc::clone(&shop.outside.sightings) },
                key_ring(shop, caller),
                rule,
            )
        })
        .service_with::<Analytics, _>(ANALYTICS, |caller| CountEffects::new(CountTable(port(caller)), caller.clone()))
        .service_with::<Notification, _>(NOTIFICATION, messenger)
        .intake(INTAKE, intake, |caller, stack| {
            let orders = stack.table(ORDERS, caller);
            prices = Rc::new(MemoryPrices::new(Rc::clone(&orders.log)));
            let table = PriceTable { port: port(caller), prices: Rc::clone(&prices) };
            let producers = if caller.run.lacks(PRICING) {
                PricingProducers::Each
            } else {
                PricingProducers::These([Source::from_static(PRICING_PRODUCER)].into())
            };
            IntakeHandler::new(Ledger::new(orders, caller.clone()), key_ring(shop, caller), table, producers)
        })
        .consumer(JOURNAL, None, |caller| {
            let (store, feed) = (JournalTable(port(caller)), FeedTable(port(caller)));
            Projection::new(Journal::new(store, feed, FEED_SHARDS, caller.clone()))
        });
    let stack = if let Some(manner) = shop.manner {
        stack.operator(|stack| {
            let operations = Operations::start(stack, &shop.outside, manner);
            shop.operations.replace(Some(Rc::clone(&operations)));
            operations
        })
    } else {
        stack
    };
    (stack.start(), prices)
}

/// Countries of the customers here. In the template they are a parameter, which is empty.
fn sms_countries() -> Countries {
    Countries(["DE", "GB", "US"].into_iter().filter_map(|code| code.parse().ok()).collect())
}

impl System {
    /// Puts the system together and starts it.
    #[must_use]
    pub fn start(run: &Rc<Run>, shop: Rc<Shop>) -> Rc<Self> {
        let intake = Rc::new(StandardTopic::new(run));
        let (stack, prices) = start(run, &shop, &intake);
        if run.lacks(COMPENSATION) {
            stack.topic.fanout.unsubscribe("payment", EventType::OrderCancelled.as_str());
        }
        let [orders, inventory, screening] = APIS.map(|name| Caller::new(run, name));
        let table =
            PriceTable { port: Port { caller: orders.clone(), shop: Rc::clone(&shop) }, prices: Rc::clone(&prices) };
        let ledger = || Ledger::new(stack.table(ORDERS, &orders), orders.clone());
        let keys = || key_ring(&shop, &orders);
        let orders_api = Rc::new(OrdersApi::new(ledger(), table.clone(), keys(), Access::open(), WITHDRAWAL_PERIOD));
        let page_api = OrdersApi::new(ledger(), table, keys(), ISSUER.access(), WITHDRAWAL_PERIOD);
        let page_api =
            Rc::new(page_api.with_guests(Some(Guests::new(Links::new(keys_of(&orders), LINK_LIFETIME), SHOP_URL))));
        let goods = stack.table(INVENTORY, &inventory);
        let shelf_table = Rc::clone(&goods.log);
        let port = Port { caller: inventory.clone(), shop: Rc::clone(&shop) };
        let counted = StockTable { port, log: Rc::clone(&shelf_table) };
        let inventory_api = Rc::new(InventoryApi::new(counted, Ledger::new(goods, inventory), Access::open()));
        let verdicts = Ledger::new(stack.table(SCREENING, &screening), screening);
        let screening_api = Rc::new(ScreeningApi::new(verdicts, Access::open()));
        Rc::new(Self {
            stack,
            shop,
            intake,
            orders_api,
            page_api,
            prices,
            inventory_api,
            screening_api,
            stock: shelf_table,
        })
    }

    /// The run.
    #[must_use]
    pub fn run(&self) -> &Rc<Run> {
        &self.stack.run
    }

    /// Customer, as one who does something.
    #[must_use]
    pub fn customer(&self) -> Caller {
        Caller::outside(self.run(), "customer")
    }

    /// Fills a shelf before all begins.
    pub fn fill_shelf(&self, sku: &str, pieces: i64) {
        for (counter, value) in [(AVAILABLE, pieces), (RESERVED, 0), (REVISION, 1)] {
            self.stock.set_counter(sku, counter, value);
        }
        if let Ok(sku) = sku.parse() {
            let stock = Stock { available: pieces, reserved: 0, revision: 1 };
            self.run().check(self.shop.audit.counted(&self.stock, &sku, stock));
        }
    }

    /// Lists the price of goods before all begins.
    pub fn list_price(&self, sku: &str, cents: i64) {
        let (Ok(sku), Ok(unit_price)) = (sku.parse(), Money::new(cents, "EUR")) else { return };
        let price = NewPrice { unit_price, by: None, at: Time::from_millis(0) };
        if self.prices.set(&sku, price, 0).now_or_never().is_some_and(|set| set == Ok(true)) {
            self.shop.audit.priced(&sku, unit_price);
        }
    }

    /// Sends a request of the shop's page to the orders API, likewise.
    pub async fn ask_by_page(&self, mut request: Request) -> Option<Response<Body>> {
        let token = if self.run().lacks(PRICING) { &*TRUSTED_PAGE } else { &*PAGE };
        if let Ok(token) = HeaderValue::from_str(&format!("Bearer {token}")) {
            request.headers_mut().insert(header::AUTHORIZATION, token);
        }
        let api = Rc::clone(&self.page_api);
        self.ask(APIS[0], async move { api.answer(&request).await }).await
    }

    /// Sends a request of a guest's to the orders API, without a token, likewise.
    pub async fn ask_as_guest(&self, request: Request) -> Option<Response<Body>> {
        let api = Rc::clone(&self.page_api);
        self.ask(APIS[0], async move { api.answer(&request).await }).await
    }

    /// Sends a request to the orders API, and answers what comes back: nothing, where the function dies or takes too long.
    pub async fn ask_orders(&self, request: Request) -> Option<Response<Body>> {
        let api = Rc::clone(&self.orders_api);
        self.ask(APIS[0], async move { api.answer(&request).await }).await
    }

    /// Sends a request to the inventory API, likewise.
    pub async fn ask_inventory(&self, request: Request) -> Option<Response<Body>> {
        let api = Rc::clone(&self.inventory_api);
        self.ask(APIS[1], async move { api.answer(&request).await }).await
    }

    /// Sends a request to the screening API, likewise.
    pub async fn ask_screening(&self, request: Request) -> Option<Response<Body>> {
        let api = Rc::clone(&self.screening_api);
        self.ask(APIS[2], async move { api.answer(&request).await }).await
    }

    /// Lets the clock of the orders strike from now on, for some days. Nobody else ends what is never paid.
    pub fn start_clock(self: &Rc<Self>) {
        let (system, run) = (Rc::clone(self), Rc::clone(self.run()));
        self.run().spawn(async move {
            for _ in 0..SWEEPS {
                run.sleep_ms(SWEEP_EVERY_MS).await;
                system.run_clock().await;
            }
        });
    }

    /// Lets the clock of the orders strike once: it ends what is unpaid for too long, and orphans. Answers whether it has found all that
    /// are open. Those that it cannot look at are there for the next.
    pub async fn run_clock(&self) -> bool {
        let (caller, now) = (Caller::new(self.run(), CLOCK), self.run().executor.now());
        let table = self.stack.table(ORDERS, &caller);
        let keys = KeyTable { caller: caller.clone(), keys: Rc::clone(&self.shop.outside.keys) };
        let (timeout, shop) = (template().timeout(CLOCK), Rc::clone(&self.shop));
        let clock = async move {
            let port = Port { caller: caller.clone(), shop: Rc::clone(&shop) };
            let (index, deadline) = (OpenIndex { port, log: Rc::clone(&table.log) }, caller.now().after(timeout));
            let sweep = Sweep::new(Ledger::new(table, caller), index, LATE_AFTER);
            let endings = Endings::new(PAYMENT_DUE, keys);
            let ending = async |order: &Order, age| endings.of(order, age).await;
            let swept = sweep.run_ending::<Orders>(deadline, ending).await;
            if swept.is_ok() {
                shop.audit.swept(now, PAYMENT_DUE.duration() + SWEPT_WITHIN);
            }
            swept
        };
        invoke(self.run(), timeout, clock).await.is_some_and(|swept| swept.is_ok())
    }

    /// Lets the clock of the notices to the staff strike from now on: each minute for as long as orders come, and later on each half an
    /// hour, which is no other than a clock whose function dies in between.
    pub fn start_notices(self: &Rc<Self>) {
        notices::begin(&self.shop.outside);
        let (shop, run) = (Rc::clone(&self.shop), Rc::clone(self.run()));
        self.run().spawn(async move {
            for strike in 0..NOTICES {
                run.sleep_ms(if strike < NOTICES / 2 { 60_000 } else { 1_800_000 }).await;
                let caller = Caller::new(&run, notices::FUNCTION);
                let port = || Port { caller: caller.clone(), shop: Rc::clone(&shop) };
                let (table, feed) = (NoticesTable(port()), (FeedTable(port()), FEED_SHARDS, JournalTable(port())));
                let told = Notices::new(feed, table.clone(), table.clone(), table, caller.clone(), notices::rules());
                let deadline = caller.now().after(notices::TIMEOUT);
                // Each finds what the others have left.
                let _ = invoke(&run, notices::TIMEOUT, async move { told.run(deadline).await }).await;
            }
        });
    }

    /// Lets those partners have the shop's events posted to them, from now on.
    #[must_use]
    pub fn start_webhooks(&self, partners: &[Partner]) -> Rc<Webhooks> {
        let webhooks = Webhooks::start(self.run(), &self.shop, &ISSUER, partners);
        self.shop.follower.replace(Some(Rc::clone(&webhooks) as _));
        webhooks
    }

    /// Lets no order reach its payment: payment is not told of goods that are reserved.
    pub fn keep_from_payment(&self) {
        self.stack.topic.fanout.unsubscribe("payment", EventType::InventoryReserved.as_str());
    }

    async fn ask(&self, api: &str, work: impl Future<Output = Response<Body>> + 'static) -> Option<Response<Body>> {
        let timeout: Duration = template().timeout(api);
        invoke(self.run(), timeout, work).await
    }
}
