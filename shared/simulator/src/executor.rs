//! Virtual time: many tasks on one thread, and a clock that jumps to whatever happens next.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use envelope::Time;
use slab::Slab;

/// Runs tasks in an order that depends on nothing but what they do: the same tasks run in the same way every time.
///
/// No time passes while a task is at work. Once all of them wait, the clock jumps to the moment at which the first of
/// them is to go on; those of the same moment go on in the order in which they began to wait.
pub struct Executor {
    now: Cell<i64>,
    tasks: RefCell<Slab<Task>>,
    ready: Arc<Ready>,
    alarms: RefCell<BinaryHeap<Reverse<(i64, u64, usize)>>>,
    sleepers: RefCell<Slab<(u64, Waker)>>,
    sleeps: Cell<u64>,
    current: RefCell<Option<Rc<Control>>>,
    steps: Cell<u64>,
}

/// Handle of a task, for whoever kills it or asks whether it has ended.
pub struct Control {
    task: Cell<usize>,
    killed: Cell<bool>,
    frozen_until: Cell<i64>,
    ended: Cell<bool>,
}

impl Control {
    /// True once the task has ended, in whatever way.
    pub fn has_ended(&self) -> bool {
        self.ended.get()
    }
}

struct Task {
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
    waker: Waker,
    control: Rc<Control>,
}

/// Tasks that may go on, in the order in which they were woken.
#[derive(Default)]
struct Ready(Mutex<Vec<usize>>);

impl Ready {
    fn push(&self, task: usize) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }

    fn swap(&self, with: &mut Vec<usize>) {
        std::mem::swap(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), with);
    }
}

struct TaskWaker {
    task: usize,
    ready: Arc<Ready>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ready.push(self.task);
    }
}

impl Default for Executor {
    /// It is 2026-01-01, and nobody does anything.
    fn default() -> Self {
        Self {
            now: Cell::new(1_767_225_600_000),
            tasks: RefCell::default(),
            ready: Arc::default(),
            alarms: RefCell::default(),
            sleepers: RefCell::default(),
            sleeps: Cell::new(0),
            current: RefCell::new(None),
            steps: Cell::new(0),
        }
    }
}

impl Executor {
    /// Time as it really is: functions may believe otherwise.
    pub fn now(&self) -> Time {
        Time::from_millis(self.now.get())
    }

    /// Milliseconds since 1970.
    pub fn millis(&self) -> i64 {
        self.now.get()
    }

    /// Number of times that any task went on.
    pub fn steps(&self) -> u64 {
        self.steps.get()
    }

    /// Starts a task.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) -> Rc<Control> {
        let mut tasks = self.tasks.borrow_mut();
        let slot = tasks.vacant_entry();
        let task = slot.key();
        let control = Rc::new(Control {
            task: Cell::new(task),
            killed: Cell::new(false),
            frozen_until: Cell::new(i64::MIN),
            ended: Cell::new(false),
        });
        let waker = Waker::from(Arc::new(TaskWaker { task, ready: Arc::clone(&self.ready) }));
        slot.insert(Task { future: Some(Box::pin(future)), waker, control: Rc::clone(&control) });
        self.ready.push(task);
        control
    }

    /// Task that is at work.
    ///
    /// # Panics
    ///
    /// If none is.
    #[expect(clippy::expect_used, reason = "it is asked by tasks only")]
    pub fn current(&self) -> Rc<Control> {
        Rc::clone(self.current.borrow().as_ref().expect("a task is at work"))
    }

    /// Ends a task, wherever it is: nothing after that runs, as when a process is killed.
    pub fn kill(&self, control: &Control) {
        control.killed.set(true);
        if !control.ended.get() {
            self.ready.push(control.task.get());
        }
    }

    /// Ends the task that is at work.
    pub async fn die<T>(&self) -> T {
        self.kill(&self.current());
        pending().await
    }

    /// Stops the task that is at work for so long, with all its clocks, as a machine that is paused.
    pub async fn freeze(&self, duration: Duration) {
        self.current().frozen_until.set(self.now.get() + millis(duration));
        let mut yielded = false;
        poll_fn(|context| {
            if std::mem::replace(&mut yielded, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// Waits.
    pub fn sleep(self: &Rc<Self>, duration: Duration) -> Sleep {
        let due = self.now.get() + millis(duration);
        Sleep { executor: Rc::clone(self), due, slot: None }
    }

    /// Lets all tasks go on until nobody has anything left to wait for but others that wait, or `stop` says so.
    pub fn run(&self, mut stop: impl FnMut() -> bool) {
        let mut batch = Vec::new();
        loop {
            self.ready.swap(&mut batch);
            if batch.is_empty() {
                if !self.ring() {
                    return;
                }
                continue;
            }
            for task in batch.drain(..) {
                self.step(task);
            }
            if stop() {
                return;
            }
        }
    }

    fn step(&self, task: usize) {
        let (mut future, waker, control) = {
            let mut tasks = self.tasks.borrow_mut();
            let Some(entry) = tasks.get_mut(task) else { return };
            let Some(future) = entry.future.take() else { return };
            (future, entry.waker.clone(), Rc::clone(&entry.control))
        };
        if !control.killed.get() && control.frozen_until.get() > self.now.get() {
            self.tasks.borrow_mut()[task].future = Some(future);
            self.wake_at(control.frozen_until.get(), waker);
            return;
        }
        self.steps.set(self.steps.get() + 1);
        *self.current.borrow_mut() = Some(Rc::clone(&control));
        let is_over = control.killed.get() || future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        if is_over || control.killed.get() {
            control.ended.set(true);
            // What is dropped may wake others, and start tasks.
            drop(future);
            self.tasks.borrow_mut().remove(task);
        } else {
            self.tasks.borrow_mut()[task].future = Some(future);
        }
        *self.current.borrow_mut() = None;
    }

    /// Wakes those who are next. Answers whether there was anybody.
    fn ring(&self) -> bool {
        while let Some(Reverse((due, turn, slot))) = self.alarms.borrow_mut().pop() {
            let mut sleepers = self.sleepers.borrow_mut();
            if sleepers.get(slot).is_some_and(|(sleeper, _)| *sleeper == turn) {
                let (_, waker) = sleepers.remove(slot);
                self.now.set(self.now.get().max(due));
                waker.wake();
                return true;
            }
        }
        false
    }

    fn wake_at(&self, due: i64, waker: Waker) -> (usize, u64) {
        let turn = self.sleeps.get();
        self.sleeps.set(turn + 1);
        let slot = self.sleepers.borrow_mut().insert((turn, waker));
        self.alarms.borrow_mut().push(Reverse((due, turn, slot)));
        (slot, turn)
    }

    /// Drops all tasks: they hold what holds the executor.
    pub fn clear(&self) {
        // What is dropped may start tasks, so this is done until nothing is left.
        loop {
            let tasks: Vec<Task> = self.tasks.borrow_mut().drain().collect();
            if tasks.is_empty() {
                return;
            }
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

/// Sleep of one task. It counts for as long as it exists: a time limit that was not needed lets no time pass.
pub struct Sleep {
    executor: Rc<Executor>,
    due: i64,
    slot: Option<(usize, u64)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let executor = &self.executor;
        if executor.now.get() >= self.due && self.slot.is_some() {
            return Poll::Ready(());
        }
        if let Some((slot, turn)) = self.slot {
            if let Some((sleeper, waker)) = executor.sleepers.borrow_mut().get_mut(slot)
                && *sleeper == turn
            {
                waker.clone_from(context.waker());
            }
        } else {
            let slot = executor.wake_at(self.due, context.waker().clone());
            self.slot = Some(slot);
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some((slot, turn)) = self.slot {
            let mut sleepers = self.executor.sleepers.borrow_mut();
            if sleepers.get(slot).is_some_and(|(sleeper, _)| *sleeper == turn) {
                sleepers.remove(slot);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    type Marks = Rc<RefCell<Vec<(u64, u32)>>>;

    /// An executor, and a place where tasks leave a mark with the second at which they do.
    fn bench() -> (Rc<Executor>, Marks, impl Fn(u32) + Clone + 'static) {
        let (executor, marks) = (Rc::new(Executor::default()), Rc::new(RefCell::new(Vec::new())));
        let (start, clock, kept) = (executor.now(), Rc::clone(&executor), Rc::clone(&marks));
        (executor, marks, move |mark| kept.borrow_mut().push((start.until(clock.now()).as_secs(), mark)))
    }

    #[test]
    fn who_sleeps_is_woken_in_the_order_in_which_they_are_due() {
        let (executor, marks, mark) = bench();
        for (number, duration) in (0..).zip([3, 1, 2, 1]) {
            let (clock, mark) = (Rc::clone(&executor), mark.clone());
            executor.spawn(async move {
                clock.sleep(seconds(duration)).await;
                mark(number);
            });
        }
        executor.run(|| false);
        assert_eq!(*marks.borrow(), [(1, 1), (1, 3), (2, 2), (3, 0)]);
    }

    #[test]
    fn a_sleep_that_is_given_up_lets_no_time_pass() {
        let (executor, marks, mark) = bench();
        let clock = Rc::clone(&executor);
        executor.spawn(async move {
            let limit = std::pin::pin!(clock.sleep(seconds(60)));
            futures::future::select(Box::pin(clock.sleep(seconds(1))), limit).await;
            mark(1);
        });
        executor.run(|| false);
        assert_eq!(*marks.borrow(), [(1, 1)]);
        assert_eq!(executor.now(), Time::from_millis(1_767_225_601_000));
    }

    #[test]
    fn who_is_killed_does_nothing_any_more() {
        let (executor, marks, mark) = bench();
        let (clock, other) = (Rc::clone(&executor), mark.clone());
        let victim = executor.spawn(async move {
            mark(1);
            clock.sleep(seconds(2)).await;
            mark(2);
        });
        let clock = Rc::clone(&executor);
        executor.spawn(async move {
            clock.sleep(seconds(1)).await;
            clock.kill(&victim);
            other(3);
            clock.die::<()>().await;
            other(4);
        });
        executor.run(|| false);
        assert_eq!(*marks.borrow(), [(0, 1), (1, 3)]);
    }

    #[test]
    fn the_clocks_of_who_is_frozen_stand_still_too() {
        let (executor, marks, mark) = bench();
        let clock = Rc::clone(&executor);
        executor.spawn(async move {
            let limit = std::pin::pin!(clock.sleep(seconds(2)));
            let work = std::pin::pin!(async {
                clock.freeze(seconds(9)).await;
                mark(1);
                clock.sleep(seconds(1)).await;
                mark(2);
            });
            futures::future::select(work, limit).await;
            mark(3);
        });
        executor.run(|| false);
        assert_eq!(*marks.borrow(), [(9, 1), (9, 3)], "it goes on for a moment, and then finds its time up");
    }
}
