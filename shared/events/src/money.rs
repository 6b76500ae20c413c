//! Money: whole minor units and their currency, never a fraction.

use std::fmt;

use iso_currency::Currency;
use serde::{Deserialize, Serialize};

use envelope::Invalid;
use envelope::{Faults, Node, Read};

/// The largest amount, in minor units: 999,999.99 in a currency with cents.
pub const MAX_AMOUNT: i64 = 99_999_999;

/// An amount of 0 to [`MAX_AMOUNT`] minor units of a currency of ISO 4217.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked", into = "Unchecked")]
pub struct Money {
    amount: i64,
    currency: Currency,
}

envelope::json_schema_of!(
    Money,
    ["An amount of money: whole minor units, never a fraction."],
    {
        "type": "object",
        "required": ["amount", "currency"],
        "properties": {
            "amount": {
                "description": "How many minor units of the currency, such as cents: 1990 is 19.90 EUR, or 1990 JPY.",
                "type": "integer",
                "minimum": 0,
                "maximum": MAX_AMOUNT,
            },
            "currency": {
                "description": "The code of a currency of ISO 4217, none of those for metals, tests and the like.",
                "type": "string",
                "pattern": "^[A-Z]{3}$",
                "examples": ["EUR"],
            },
        },
    }
);

#[derive(Serialize, Deserialize)]
struct Unchecked {
    amount: i64,
    currency: String,
}

impl Money {
    /// An amount in minor units and the code of its currency.
    ///
    /// # Errors
    ///
    /// The rule that is broken: the amount's range, or a code that is none of money in ISO 4217.
    pub fn new(amount: i64, currency: &str) -> Result<Self, Invalid> {
        if !(0..=MAX_AMOUNT).contains(&amount) {
            return Err(Invalid::rule(format!("must be a whole number from 0 to {MAX_AMOUNT}")));
        }
        let currency = currency_of(currency).ok_or_else(|| Invalid::rule(NO_CURRENCY))?;
        Ok(Self { amount, currency })
    }

    /// The amount in minor units.
    #[must_use]
    pub fn amount(&self) -> i64 {
        self.amount
    }

    /// The code of the currency, such as `EUR`.
    #[must_use]
    pub fn currency(&self) -> &'static str {
        self.currency.code()
    }

    /// Number of decimal places in which the currency is written: 2 of EUR, 0 of JPY.
    #[must_use]
    pub fn decimals(&self) -> usize {
        self.currency.exponent().map_or(0, usize::from)
    }

    /// Tells that there is nothing to pay.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.amount == 0
    }

    /// `times` this amount, and `sum` to it. `None` above [`MAX_AMOUNT`], or where the currencies differ.
    pub(crate) fn add_to(self, times: u32, sum: Option<Self>) -> Option<Self> {
        let before = match sum {
            None => 0,
            Some(sum) if sum.currency == self.currency => sum.amount,
            Some(_) => return None,
        };
        let amount = self.amount.checked_mul(i64::from(times))?.checked_add(before)?;
        (amount <= MAX_AMOUNT).then_some(Self { amount, ..self })
    }
}

const NO_CURRENCY: &str = "must be a currency code of ISO 4217";

/// Currency by its code. ISO 4217 also lists what nobody can pay with: metals, units of account, and codes for tests and for no
/// currency.
fn currency_of(code: &str) -> Option<Currency> {
    Currency::from_code(code).filter(|currency| !currency.is_special())
}

/// For people: `19.90 EUR`, `500 JPY`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (digits, unit) = (self.decimals(), 10_i64.pow(u32::from(self.currency.exponent().unwrap_or(0))));
        if digits == 0 {
            return write!(f, "{} {}", self.amount, self.currency());
        }
        write!(f, "{}.{:0digits$} {}", self.amount / unit, self.amount % unit, self.currency())
    }
}

impl TryFrom<Unchecked> for Money {
    type Error = Invalid;

    fn try_from(Unchecked { amount, currency }: Unchecked) -> Result<Self, Self::Error> {
        Self::new(amount, &currency)
    }
}

impl From<Money> for Unchecked {
    fn from(money: Money) -> Self {
        Self { amount: money.amount, currency: money.currency().to_owned() }
    }
}

impl Read for Money {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        node.object(faults)?;
        let amount = node.required::<Amount>("amount", faults);
        let currency = node.required::<Code>("currency", faults);
        Some(Self { amount: amount?.0, currency: currency?.0 })
    }
}

struct Amount(i64);

impl Read for Amount {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        node.integer(0, MAX_AMOUNT, faults).map(Self)
    }
}

struct Code(Currency);

impl Read for Code {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let currency = currency_of(node.text(faults)?);
        if currency.is_none() {
            faults.add(node, NO_CURRENCY);
        }
        currency.map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_has_a_range_and_a_currency() {
        for (amount, currency, good) in [
            (0, "EUR", true),
            (MAX_AMOUNT, "JPY", true),
            (-1, "EUR", false),
            (MAX_AMOUNT + 1, "EUR", false),
            (1, "eur", false),
            (1, "ABC", false),
            (1, "CLF", true),
            (1, "XOF", true),
            (1, "XXX", false),
            (1, "XTS", false),
            (1, "XAU", false),
            (1, "XDR", false),
        ] {
            assert_eq!(Money::new(amount, currency).is_ok(), good, "{amount} {currency}");
        }
    }

    #[test]
    fn money_is_shown_with_the_decimals_of_its_currency() {
        for (amount, currency, shown) in
            [(1990, "EUR", "19.90 EUR"), (5, "USD", "0.05 USD"), (500, "JPY", "500 JPY"), (1234, "BHD", "1.234 BHD")]
        {
            assert_eq!(Money::new(amount, currency).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn sums_stop_at_the_limit_and_at_another_currency() {
        let [most, cent, yen] = [(MAX_AMOUNT, "EUR"), (1, "EUR"), (1, "JPY")]
            .map(|(amount, currency)| Money::new(amount, currency).unwrap());
        assert_eq!(most.add_to(1, None), Some(most));
        assert_eq!(cent.add_to(99_999_998, Some(cent)), Some(most));
        for (money, times, sum) in
            [(most, 2, None), (most, u32::MAX, None), (cent, 1, Some(most)), (yen, 1, Some(cent))]
        {
            assert_eq!(money.add_to(times, sum), None, "{sum:?} + {times} * {money}");
        }
    }
}
