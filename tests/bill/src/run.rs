//! One run: a stack behind the meter, and orders, alone and many at once.

use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use futures::future::join_all;
use orderflow_local::{Endpoint, Options, PortChoice, Profile, Stack};
use orderflow_tests::{Emulator, Proxy, Shop, free_port};
use tokio::time::sleep;

use crate::budget::{Budgets, Figures, median};
use crate::cli::Arguments;
use crate::deployed::Deployed;
use crate::meter::Meter;
use crate::mix::{Kind, Order, SKUS, Sample};
use crate::pace::pace;
use crate::prices::Prices;
use crate::report::{self, Column, SHIPPED_BUSY, SHIPPED_QUIET};
use crate::usage::Usage;
use crate::webhooks::{self, Webhook};

/// Orders of a check.
const CHECKED: usize = 5;

/// It is quiet when no function has called anything for so long.
const QUIET: Duration = Duration::from_millis(700);

struct Run {
    stack: Stack,
    shop: Shop,
    proxy: Rc<Proxy>,
    meter: Rc<Meter>,
    deployed: Deployed,
}

/// Does all of it, and answers the budgets that are exceeded.
///
/// # Errors
///
/// The stack does not come up, or the budgets cannot be read or written.
pub(crate) async fn run(arguments: &Arguments) -> Result<Vec<String>, orderflow_local::Error> {
    if let Some(clients) = arguments.clients {
        anstream::println!("{}", pace(arguments, clients.get()).await?);
        return Ok(Vec::new());
    }
    let home = tempfile::tempdir()?;
    let run = Run::up(home.path(), arguments).await?;
    let (count, mut rng) = (arguments.orders as usize, Rng::with_seed(arguments.seed));
    run.warm_up(if arguments.check || arguments.write_budgets { CHECKED } else { count }, &mut rng).await;
    let faults = if arguments.check || arguments.write_budgets {
        let orders: Vec<Figures> =
            run.alone(Sample::Shipped, CHECKED, &mut rng).await.iter().map(Usage::figures).collect();
        let (budgets, order) = (Budgets::read()?, median(&orders));
        if arguments.write_budgets {
            budgets.write(&order)?;
            Vec::new()
        } else {
            budgets.faults(&order)
        }
    } else if arguments.webhooks {
        anstream::println!("{}", run.webhooks(count, &mut rng).await);
        Vec::new()
    } else {
        let columns = run.columns(count, &mut rng).await;
        anstream::println!("{}", report::table(&columns, &Prices::read(), run.deployed.queues));
        Vec::new()
    };
    run.stack.down();
    Ok(faults)
}

impl Run {
    async fn up(home: &std::path::Path, arguments: &Arguments) -> Result<Self, orderflow_local::Error> {
        let (port, meter) = (free_port()?, Rc::new(Meter::default()));
        let proxy = Proxy::open(port, Rc::clone(&meter)).await;
        let mut options = Options {
            port: PortChoice::Given(port),
            detour: Some(Endpoint::local(proxy.port())),
            profile: if arguments.release { Profile::Release } else { Profile::default() },
            ..Options::apart(home)
        };
        options.parameters.extend(arguments.shards.map(|shards| ("FeedShards".to_owned(), shards.to_string())));
        let stack = Box::pin(Stack::up(&options)).await?;
        proxy.knows_those_of(stack.emulator_pid().expect("an emulator of our own"));
        let shop = Shop::on(&stack, &Emulator::of(&stack).await);
        let deployed = Deployed::on(&shop).await;
        Ok(Self { stack, shop, proxy, meter, deployed })
    }

    /// Places as many orders at once as later, so that every process has started, with what it does only once.
    async fn warm_up(&self, count: usize, rng: &mut Rng) {
        for sku in SKUS {
            self.shop.stock(sku, 1_000_000).await;
        }
        self.shop.stock("sold-out", 0).await;
        let orders = Sample::Mixed.orders(count, "warm", rng);
        join_all(orders.iter().map(|order| self.place(order))).await;
        self.take(0).await;
    }

    async fn columns(&self, count: usize, rng: &mut Rng) -> Vec<Column> {
        let mut columns = Vec::new();
        for (sample, [quiet, busy]) in
            [(Sample::Shipped, [SHIPPED_QUIET, SHIPPED_BUSY]), (Sample::Mixed, ["mixed, quiet", "mixed, busy"])]
        {
            let mut usage = Usage::default();
            self.alone(sample, count, rng).await.iter().for_each(|one| usage.add(one));
            columns.push(Column { title: quiet, usage });
            columns.push(Column { title: busy, usage: self.together(sample, count, rng).await });
        }
        columns
    }

    /// Usage of orders each of which is placed when all is quiet again after the one before.
    async fn alone(&self, sample: Sample, count: usize, rng: &mut Rng) -> Vec<Usage> {
        let mut usages = Vec::new();
        for order in sample.orders(count, &prefix(rng), rng) {
            self.place(&order).await;
            usages.push(self.take(1).await);
        }
        usages
    }

    /// Usage of orders that are all placed at once.
    async fn together(&self, sample: Sample, count: usize, rng: &mut Rng) -> Usage {
        let orders = sample.orders(count, &prefix(rng), rng);
        join_all(orders.iter().map(|order| self.place(order))).await;
        self.take(count as u64).await
    }

    async fn place(&self, order: &Order) {
        let id = self.shop.order(&order.body).await;
        if order.kind == Kind::Cancelled {
            // It may be shipped by then.
            let _either = self.shop.api.cancel_order(&id).await.expect("an answer");
        }
    }

    /// Figures of deliveries: those of orders one at a time, those of all events at once, and how many there are a second.
    async fn webhooks(&self, count: usize, rng: &mut Rng) -> String {
        let webhook = Webhook::of(&self.shop).await;
        self.take_deliveries(0).await;
        for order in Sample::Shipped.orders(count, &prefix(rng), rng) {
            self.place(&order).await;
            self.settle().await;
        }
        let singly = webhook.count();
        let mut columns = vec![Column { title: "one by one", usage: self.take_deliveries(singly as u64).await }];
        webhook.send_all().await;
        webhooks::strike(&self.shop).await;
        let usage = self.take_deliveries(0).await;
        let events = webhook.count() - singly;
        columns.push(Column { title: "all at once", usage: Usage { orders: events as u64, ..usage } });
        webhook.delete().await;
        let rates = webhooks::rates(&self.shop, events).await;
        format!("{}\n{rates}", report::deliveries(&columns, &Prices::read()))
    }

    /// Takes what the webhooks' functions have used since the last time, for so many deliveries.
    async fn take_deliveries(&self, deliveries: u64) -> Usage {
        self.settle().await;
        let logs = self.deployed.take_logs(&self.shop).await;
        Usage::of_deliveries(deliveries, &webhooks::FUNCTIONS, &self.meter.take(), &logs, &self.deployed)
    }

    /// Waits for quiet, and takes what was counted since the last time.
    async fn take(&self, orders: u64) -> Usage {
        self.settle().await;
        if let Some(unread) = self.proxy.unread() {
            anstream::eprintln!("not counted, for it is not understood: {unread}");
        }
        Usage::of(orders, &self.meter.take(), &self.deployed.take_logs(&self.shop).await, &self.deployed)
    }

    /// Waits for quiet.
    async fn settle(&self) {
        loop {
            let calls = self.proxy.calls();
            self.shop.quiet().await;
            sleep(QUIET).await;
            if self.proxy.calls() == calls {
                return;
            }
        }
    }
}

/// Beginning of the ids of customers: screening would take those who order again and again for eager buyers.
fn prefix(rng: &mut Rng) -> String {
    format!("cus_{:04}", rng.u32(..10_000))
}
