//! Where the providers' locations are.

use Area::*;

/// A part of the world that requests may be bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Area {
    Eu,
    Uk,
    Switzerland,
    Norway,
    Us,
    Canada,
    Mexico,
    SouthAmerica,
    /// Asia and Oceania, where nothing more is known.
    AsiaPacific,
    Asia,
    Japan,
    India,
    Australia,
    NewZealand,
    China,
    MiddleEast,
    Africa,
}

impl Area {
    const ALL: [Self; 17] = [
        Eu,
        Uk,
        Switzerland,
        Norway,
        Us,
        Canada,
        Mexico,
        SouthAmerica,
        AsiaPacific,
        Asia,
        Japan,
        India,
        Australia,
        NewZealand,
        China,
        MiddleEast,
        Africa,
    ];

    /// The words that ask for it.
    pub(crate) const fn words(self) -> &'static [&'static str] {
        match self {
            Eu => &["eu", "europe"],
            Uk => &["uk", "gb"],
            Switzerland => &["ch", "switzerland"],
            Norway => &["no", "norway"],
            Us => &["us", "usa"],
            Canada => &["ca", "canada"],
            Mexico => &["mx", "mexico"],
            SouthAmerica => &["sa", "southamerica"],
            AsiaPacific => &["ap", "apac"],
            Asia => &["asia", "ap", "apac"],
            Japan => &["jp", "japan", "asia", "ap", "apac"],
            India => &["in", "india", "asia", "ap", "apac"],
            Australia => &["au", "australia", "ap", "apac"],
            NewZealand => &["nz", "newzealand", "ap", "apac"],
            China => &["cn", "china"],
            MiddleEast => &["me", "middleeast"],
            Africa => &["af", "africa"],
        }
    }

    /// Says whether it is outside the European Union, in a country whose data protection the Union accepts as its own:
    /// Norway by the EEA agreement, the others by adequacy decisions.
    pub(crate) const fn is_wider_europe(self) -> bool {
        matches!(self, Uk | Switzerland | Norway)
    }

    /// Says whether this word, lower-case, asks for an area.
    pub(crate) fn is_word(word: &str) -> bool {
        Self::ALL.iter().any(|area| area.words().contains(&word))
    }

    /// Finds the area of a location by its name, lower-case, without spaces and with `-` between its parts.
    pub(crate) fn of(location: &str) -> Option<Self> {
        PLACES
            .into_iter()
            .flatten()
            .find(|(_, names)| names.contains(&location))
            .map(|(area, _)| *area)
            // What is named by the word alone is as far as is known; the first area of a word is the widest.
            .or_else(|| {
                Self::ALL
                    .into_iter()
                    .find(|area| area.words().contains(&location))
            })
    }
}

/// Says whether AWS has a region of this name.
pub(crate) fn is_aws(name: &str) -> bool {
    AWS.iter().any(|(_, names)| names.contains(&name))
}

type Places = [(Area, &'static [&'static str])];

/// All that is known.
const PLACES: [&Places; 4] = [AWS, GOOGLE, AZURE, IBM];

/// <https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html>, and the partitions beside it.
#[rustfmt::skip]
const AWS: &Places = &[
    (Eu, &["eu-west-1", "eu-west-3", "eu-central-1", "eu-north-1", "eu-south-1", "eu-south-2", "eusc-de-east-1"]),
    (Uk, &["eu-west-2"]),
    (Switzerland, &["eu-central-2"]),
    (Us, &["us-east-1", "us-east-2", "us-west-1", "us-west-2", "us-gov-east-1", "us-gov-west-1"]),
    (Canada, &["ca-central-1", "ca-west-1"]),
    (Mexico, &["mx-central-1"]),
    (SouthAmerica, &["sa-east-1"]),
    (Asia, &["ap-east-1", "ap-east-2", "ap-northeast-2", "ap-southeast-1", "ap-southeast-3", "ap-southeast-5",
        "ap-southeast-7"]),
    (Japan, &["ap-northeast-1", "ap-northeast-3"]),
    (India, &["ap-south-1", "ap-south-2"]),
    (Australia, &["ap-southeast-2", "ap-southeast-4"]),
    (NewZealand, &["ap-southeast-6"]),
    (China, &["cn-north-1", "cn-northwest-1"]),
    (MiddleEast, &["me-south-1", "me-central-1", "il-central-1"]),
    (Africa, &["af-south-1"]),
];

/// <https://cloud.google.com/about/locations>; `eu` and `us` are multi-regions.
#[rustfmt::skip]
const GOOGLE: &Places = &[
    (Eu, &["eu", "europe-central2", "europe-north1", "europe-north2", "europe-southwest1", "europe-west1", "europe-west3",
        "europe-west4", "europe-west8", "europe-west9", "europe-west10", "europe-west12"]),
    (Uk, &["europe-west2"]),
    (Switzerland, &["europe-west6"]),
    (Us, &["us", "us-central1", "us-east1", "us-east4", "us-east5", "us-south1", "us-west1", "us-west2", "us-west3",
        "us-west4", "us-west5"]),
    (Canada, &["northamerica-northeast1", "northamerica-northeast2"]),
    (Mexico, &["northamerica-south1"]),
    (SouthAmerica, &["southamerica-east1", "southamerica-west1"]),
    (Asia, &["asia-east1", "asia-east2", "asia-northeast3", "asia-southeast1", "asia-southeast2", "asia-southeast3"]),
    (Japan, &["asia-northeast1", "asia-northeast2"]),
    (India, &["asia-south1", "asia-south2"]),
    (Australia, &["australia-southeast1", "australia-southeast2"]),
    (MiddleEast, &["me-west1", "me-central1", "me-central2"]),
    (Africa, &["africa-south1"]),
];

/// <https://learn.microsoft.com/azure/reliability/regions-list>, and the clouds beside it.
#[rustfmt::skip]
const AZURE: &Places = &[
    (Eu, &["northeurope", "westeurope", "swedencentral", "swedensouth", "francecentral", "francesouth",
        "germanywestcentral", "germanynorth", "germanycentral", "germanynortheast", "polandcentral", "italynorth",
        "spaincentral", "austriaeast", "belgiumcentral", "denmarkeast", "sweden", "france", "germany"]),
    (Uk, &["uksouth", "ukwest"]),
    (Switzerland, &["switzerlandnorth", "switzerlandwest"]),
    (Norway, &["norwayeast", "norwaywest"]),
    (Us, &["eastus", "eastus2", "eastus3", "southcentralus", "centralus", "northcentralus", "westcentralus", "westus",
        "westus2", "westus3", "centraluseuap", "eastus2euap", "usgovvirginia", "usgovarizona", "usgovtexas",
        "usdodcentral", "usdodeast"]),
    (Canada, &["canadacentral", "canadaeast"]),
    (Mexico, &["mexicocentral"]),
    (SouthAmerica, &["brazilsouth", "brazilsoutheast", "chilecentral"]),
    (Asia, &["eastasia", "southeastasia", "koreacentral", "koreasouth", "indonesiacentral", "malaysiawest"]),
    (Japan, &["japaneast", "japanwest"]),
    (India, &["centralindia", "southindia", "westindia", "jioindiawest", "jioindiacentral"]),
    (Australia, &["australiaeast", "australiasoutheast", "australiacentral", "australiacentral2"]),
    (NewZealand, &["newzealandnorth"]),
    (China, &["chinaeast", "chinaeast2", "chinaeast3", "chinanorth", "chinanorth2", "chinanorth3"]),
    (MiddleEast, &["uaenorth", "uaecentral", "qatarcentral", "israelcentral"]),
    (Africa, &["southafricanorth", "southafricawest"]),
];

/// <https://cloud.ibm.com/docs/overview?topic=overview-locations>
#[rustfmt::skip]
const IBM: &Places = &[
    (Eu, &["eu-de", "eu-es"]),
    (Uk, &["eu-gb"]),
    (Us, &["us-south", "us-east"]),
    (Canada, &["ca-tor", "ca-mon"]),
    (SouthAmerica, &["br-sao"]),
    (Japan, &["jp-tok", "jp-osa"]),
    (India, &["in-che"]),
    (Australia, &["au-syd"]),
];
