//! Which regions satisfy which names.

use proptest::prelude::*;
use ziggurat_region::RegionFilterLayer;

use crate::support::{admits, allow, bound, plain, satisfies};

/// R154, with the places that are in the EU by that table, but are not in the Union, at the end of each list.
const VERTEX_EU: &str = "europe-central2 europe-north1 europe-southwest1 europe-west1 europe-west3 europe-west4 \
    europe-west8 europe-west9";
const VERTEX_NEAR: &str = "europe-west2 europe-west6";
const VERTEX_US: &str =
    "us-central1 us-east1 us-east4 us-east5 us-south1 us-west1 us-west4 us-west5";
const BEDROCK_EU: &str = "eu-west-1 eu-west-3 eu-central-1 eu-south-1 eu-south-2 eu-north-1";
const BEDROCK_NEAR: &str = "eu-west-2 eu-central-2";
const BEDROCK_US: &str = "us-east-1 us-east-2 us-west-1 us-west-2 us-gov-east-1 us-gov-west-1";
const WATSONX_EU: &str = "eu-de";
const WATSONX_NEAR: &str = "eu-gb";
const WATSONX_US: &str = "us-south";
const AZURE_EU: &str = "westeurope northeurope swedencentral swedensouth francecentral francesouth europe sweden \
    france germanywestcentral germanynorth polandcentral italynorth spaincentral";
const AZURE_NEAR: &str =
    "switzerlandnorth switzerlandwest uksouth ukwest switzerland uk norwayeast norwaywest";
const AZURE_US: &str =
    "us eastus eastus2 southcentralus westus westus2 westus3 centralus northcentralus";

fn each<const N: usize>(lists: [&'static str; N]) -> impl Iterator<Item = &'static str> {
    lists.into_iter().flat_map(str::split_whitespace)
}

#[test]
fn r154_every_location_is_in_one_of_the_two_and_not_in_the_other() {
    for name in each([VERTEX_EU, BEDROCK_EU, WATSONX_EU, AZURE_EU]) {
        assert!(satisfies(name, "eu"), "{name} is in eu");
        assert!(satisfies(name, "europe"), "{name} is in europe");
        assert!(!satisfies(name, "us"), "{name} is not in us");
    }
    for name in each([VERTEX_US, BEDROCK_US, WATSONX_US, AZURE_US]) {
        assert!(satisfies(name, "us"), "{name} is in us");
        assert!(!satisfies(name, "eu"), "{name} is not in eu");
    }
}

#[test]
fn r154_what_is_near_the_eu_is_not_in_it_unless_configured() {
    for name in each([VERTEX_NEAR, BEDROCK_NEAR, WATSONX_NEAR, AZURE_NEAR]) {
        assert!(satisfies(name, name), "{name} is itself");
        for asked in ["eu", "europe", "eu-west", "us"] {
            assert!(!satisfies(name, asked), "{name} is not in {asked}");
        }
        let wide = RegionFilterLayer::new([name]).wider_europe(true);
        assert!(admits(&wide, &bound(["eu"])), "{name} counts as eu");
        assert!(!admits(&wide, &bound(["us"])), "{name} is not in us");
    }
    // Only these do.
    for name in ["eastus", "me-west1", "il-central-1", "ca-central-1"] {
        let wide = RegionFilterLayer::new([name]).wider_europe(true);
        assert!(!admits(&wide, &bound(["eu"])), "{name} is not in eu");
    }
    assert!(satisfies("eu-gb", "uk") && satisfies("eu-west-2", "gb"));
    assert!(satisfies("europe-west6", "ch") && satisfies("norwayeast", "no"));
}

#[test]
fn r156_a_region_satisfies_what_it_is_in() {
    for (region, asked, yes) in [
        ("eu-west-1", "eu", true),
        ("eu-west-1", "eu-west", true),
        ("eu-west-1", "eu-west-1", true),
        ("eu-west-1", "eu-west-11", false),
        ("eu-west-11", "eu-west-1", false),
        ("eu-west-1", "eu-w", false),
        ("eu-west-1", "e", false),
        ("eu-west-1", "eu-", false),
        ("eu-west-1", "west", false),
        ("eu-west-1", "", false),
        ("eu-west-1", " ", false),
        ("", "", false),
        ("", "eu", false),
        // The other way round is not known.
        ("eu", "eu-west-1", false),
        ("us", "eastus", false),
        // Names of others' own.
        ("on-prem_berlin_1", "on-prem", true),
        ("on-prem_berlin_1", "on-prem-berlin", true),
        ("on-prem_berlin_1", "eu", false),
        ("eu-cellar-9", "eu", true),
        // Spelling.
        ("EU_West_1", "eu-west", true),
        ("eu-west-1", "EU", true),
        ("West Europe", "eu", true),
        ("westeurope", "West Europe", true),
        ("East US 2", "eastus2", true),
        // Never by a part of the word.
        ("australiaeast", "us", false),
        ("eastus", "eu", false),
        ("eusouth", "eu", false),
        ("southcentralus", "us-south", false),
        // Elsewhere.
        ("australiaeast", "au", true),
        ("australiaeast", "ap", true),
        ("australiaeast", "asia", false),
        ("ap-southeast-2", "ap", true),
        ("ap-southeast-2", "asia", false),
        ("japaneast", "asia", true),
        ("japaneast", "jp", true),
        ("ap-northeast-1", "apac", true),
        ("asia-south1", "ap", true),
        ("apac", "ap", true),
        ("apac", "asia", false),
        ("asia", "jp", false),
        ("jp-tok", "asia", true),
        ("brazilsouth", "sa", true),
        ("canadacentral", "ca", true),
        ("northamerica-northeast1", "canada", true),
        ("us-gov-west-1", "us-gov", true),
        ("us-east-1", "us-gov", false),
        ("eusc-de-east-1", "eu", true),
    ] {
        assert_eq!(satisfies(region, asked), yes, "{region} for {asked}");
    }
}

#[test]
fn any_name_of_a_list_will_do() {
    let layer = RegionFilterLayer::new(["eu-west-1"]);
    assert!(admits(&layer, &bound(["us", "eu"])));
    assert!(!admits(&layer, &bound(["us", "asia"])));
    assert!(admits(&layer, &plain()));
}

#[test]
fn every_region_of_the_service_has_to_be_allowed() {
    let layer = RegionFilterLayer::new(["eu-west-1", "eu-central-1"]);
    assert!(admits(&layer, &bound(["eu"])));
    assert!(!admits(&layer, &bound(["eu-west-1"])));
    assert!(admits(&layer, &bound(["eu-west-1", "eu-central-1"])));
    let layer = RegionFilterLayer::new(["eu", "us"]);
    assert!(!admits(&layer, &bound(["eu"])));
    assert!(admits(&layer, &bound(["us", "eu"])));
}

#[test]
fn a_request_narrows_what_the_operator_allows_and_cannot_widen_it() {
    let layer = |region| RegionFilterLayer::new([region]).allowed(allow(["eu", "us"]));
    assert!(admits(&layer("eu-west-1"), &plain()));
    assert!(!admits(&layer("ap-south-1"), &plain()));
    assert!(admits(&layer("eu-west-1"), &bound(["eu-west-1"])));
    assert!(!admits(&layer("eu-west-1"), &bound(["us"])));
    assert!(!admits(&layer("ap-south-1"), &bound(["ap"])));
    // So do several lists of one request.
    let both = allow(["eu", "ap"]).and(&allow(["eu-west", "us"]));
    let request = crate::support::with(plain(), both);
    assert!(admits(&layer("eu-west-1"), &request));
    assert!(!admits(&layer("eu-north-1"), &request));
    assert!(!admits(&layer("us-east-1"), &request));
}

#[test]
fn what_is_not_known_or_not_named_is_refused() {
    for layer in [
        RegionFilterLayer::unknown(),
        RegionFilterLayer::new([""; 0]),
        RegionFilterLayer::new([""]),
        RegionFilterLayer::learned(),
    ] {
        assert!(admits(&layer, &plain()));
        assert!(!admits(&layer, &bound(["eu"])));
        assert!(!admits(&layer, &bound([""])));
        assert!(!admits(&layer, &bound([])));
        assert!(!admits(&layer.allowed(allow(["eu"])), &plain()));
    }
    assert!(!admits(&RegionFilterLayer::new(["eu"]), &bound([])));
    assert!(!admits(
        &RegionFilterLayer::new(["eu"]).allowed(allow([])),
        &bound(["eu"])
    ));
}

proptest! {
    /// Of names that nobody publishes, a beginning satisfies exactly up to a separator.
    #[test]
    fn a_beginning_counts_up_to_a_separator_only(name in "q[a-z0-9]{0,4}([-_][a-z0-9]{1,4}){0,3}", at in 1usize..16) {
        let at = at.min(name.len());
        let (asked, rest) = name.split_at(at);
        let whole = rest.is_empty() || rest.starts_with(['-', '_']);
        prop_assert_eq!(satisfies(&name, asked), whole, "{} for {}", name, asked);
    }

    #[test]
    fn an_empty_list_allows_nothing(name in ".{0,12}") {
        let layer = RegionFilterLayer::new([&name]);
        prop_assert!(!admits(&layer, &bound([])));
        prop_assert!(admits(&layer, &plain()));
    }

    /// Nothing is in the EU and in the US.
    #[test]
    fn no_place_is_on_both_sides(name in "(eu|us|uk|europe|east|west|south|central|australia)?[-_ ]?(us|eu|europe|east|west)[-_ ]?[0-9]?") {
        prop_assert!(!(satisfies(&name, "eu") && satisfies(&name, "us")), "{}", name);
    }
}
