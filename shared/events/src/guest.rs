//! Guests: customers who are not signed in, each of one order.

use envelope::Text;

use crate::id::{IdKind, OrderId};

/// Customer's id of the guest who places `order`. Ids that begin as it does are ours alone: nobody signs in with one, and
/// nobody names one.
#[must_use]
pub fn guest_of(order: &OrderId) -> Text {
    Text::shortened(&IdKind::Guest.derive(&[order.as_str()]))
}

/// True of the customer's id of a guest.
#[must_use]
pub fn is_guest(customer: &Text) -> bool {
    customer.as_str().starts_with(IdKind::Guest.prefix())
}

/// URL of an order under that of the shop, with the `access` that lets its holder in.
#[must_use]
pub fn link_to(shop: &str, order: &OrderId, access: &str) -> String {
    format!("{}/orders/{order}?access={access}", shop.trim_end_matches('/'))
}

/// URL of the page by which a customer withdraws from an order, under that of the shop; with the `access` that lets its holder in, or
/// for whoever signs in.
#[must_use]
pub fn withdrawal_at(shop: &str, order: &OrderId, access: Option<&str>) -> String {
    let page = format!("{}/orders/{order}/withdrawal", shop.trim_end_matches('/'));
    access.map_or(page.clone(), |access| format!("{page}?access={access}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_has_one_order() {
        let [one, other] = ["ord_1", "ord_2"].map(|id| guest_of(&OrderId::new(id).unwrap()));
        assert!(is_guest(&one) && is_guest(&other) && one != other);
        // Stored ids were derived by earlier builds: this value may never change.
        assert_eq!(one.as_str(), "gst_1ez6m7xhq1v6vjcndwmdyvsfys");
        for customer in ["ada", "cus_1", "ord_1", "GST_1"] {
            assert!(!is_guest(&Text::new(customer).unwrap()), "{customer}");
        }
    }

    #[test]
    fn a_link_is_below_the_url_of_the_shop() {
        let order = OrderId::new("ord_1").unwrap();
        for shop in ["https://shop.example/a", "https://shop.example/a/"] {
            assert_eq!(link_to(shop, &order, "1.x"), "https://shop.example/a/orders/ord_1?access=1.x");
            let page = "https://shop.example/a/orders/ord_1/withdrawal";
            assert_eq!(withdrawal_at(shop, &order, None), page);
            assert_eq!(withdrawal_at(shop, &order, Some("1.x")), format!("{page}?access=1.x"));
        }
    }
}
