import '@servicenow/sdk/global'
import { CatalogItem, RequestedForVariable, SelectBoxVariable } from '@servicenow/sdk/core'
import { deskOnly } from './access.now'
import { approval } from './approval.now'

/** Its sys_id belongs into Reregister's SERVICENOW_CATALOG_ITEMS. */
export const item = CatalogItem({
    $id: Now.ID['item'],
    name: 'Lost or new phone: reset MFA',
    shortDescription: 'Lets one person register multifactor authentication again',
    description:
        'For a person whose phone is lost, broken or replaced. Prove their identity first. After approval their registered methods are removed and they register anew at the next sign-in.',
    // "Service Catalog" of every instance.
    catalogs: ['e0d08b13c3330100c8b837659bba8fb4'],
    availableFor: [deskOnly],
    requestMethod: 'submit',
    flow: approval,
    hideAddToCart: true,
    hideQuantitySelector: true,
    hideSaveAsDraft: true,
    makeItemNonConversational: true,
    variables: {
        requested_for: RequestedForVariable({
            question: 'Who must register again?',
            mandatory: true,
            order: 100,
        }),
        identity_proof: SelectBoxVariable({
            question: 'How was their identity proven?',
            helpText: 'What somebody knows (birthday, employee number, an answer) is no proof.',
            mandatory: true,
            includeNone: true,
            order: 200,
            choices: {
                verified_id: { label: 'Verified ID with Face Check', sequence: 1 },
                in_person: { label: 'In person, with an identity document', sequence: 2 },
                manager_callback: { label: 'Manager, called back on the number on record', sequence: 3 },
                none: { label: 'Not proven (will be refused)', sequence: 4 },
            },
        }),
    },
})
